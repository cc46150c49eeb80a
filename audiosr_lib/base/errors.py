"""Errors that a user can cause or mend. Their messages say what is wrong and what to do, and commands print them without a traceback."""


class StudyError(RuntimeError):
    """Base class of the study's own errors."""


class NotPrepared(StudyError):
    """Something that an earlier step makes is missing; the message names the step."""
