"""Errors that a user can cause or fix. The message says what is wrong and what to do; the commands print it without a traceback."""


class StudyError(RuntimeError):
    """Base class of the errors that this library defines."""


class NotPrepared(StudyError):
    """The output of an earlier step is missing; the message names the step."""


class StudyWarning(UserWarning):
    """Something that a user should know while the work goes on. The commands print it as one line."""
