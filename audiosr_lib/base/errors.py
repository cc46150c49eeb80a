"""Errors that a user can cause or fix. The message says what is wrong and what to do; the commands print it without a traceback."""


class StudyError(RuntimeError):
    """Base class of the errors that this library defines."""


class NotPrepared(StudyError):
    """The output of an earlier step is missing; the message names the step."""
