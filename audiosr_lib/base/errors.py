"""Errors that a user can cause or fix, and the one place where a command turns an exception into a message.

Every command calls its work through `run_command`. A message says what happened, to which file, and what to do. ``--debug`` shows the
traceback instead.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SECONDS_TO_END = 2.0  # after Ctrl-C; then the process ends without waiting for threads
ELSEWHERE = "Or work elsewhere: give another path, or, for the study's own files, set AUDIOSR_HOME to another folder."
REMEDIES = {
    errno.ENOSPC: f"the disk is full. Free some space and start again. {ELSEWHERE}",
    errno.EDQUOT: f"your disk quota is used up. Free some space and start again. {ELSEWHERE}",
    errno.EROFS: f"it lies on a read-only disk. Make the disk writable. {ELSEWHERE}",
    errno.EACCES: f"permission denied. Change the permissions. {ELSEWHERE}",
    errno.EPERM: f"permission denied. Change the permissions. {ELSEWHERE}",
    errno.ENOENT: "it does not exist. Check the name; if the study made it, start again to make it anew.",
    errno.EISDIR: "it is a folder. Give the name of a file.",
    errno.ENOTDIR: "a part of the path is not a folder. Check the path.",
    errno.ENAMETOOLONG: "the name is too long for this disk. Choose a shorter one.",
    errno.EMFILE: "too many files are open. Raise the limit (ulimit -n 4096) and start again.",
    errno.EIO: "the disk reports an error. Check the disk, or copy the file to another one.",
}


class StudyError(RuntimeError):
    """Base class of the errors that this library defines."""


class NotPrepared(StudyError):
    """The output of an earlier step is missing; the message names the step."""


class StudyWarning(UserWarning):
    """Something that a user should know while the work goes on. The commands print it as one line."""


def explained(error: BaseException) -> str:
    """Return what happened, to which file, and what to do, for any exception."""
    if isinstance(error, StudyError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        named = f"{_shown(error.filename)}: " if error.filename else ""
        return named + REMEDIES.get(error.errno, f"{os.strerror(error.errno).lower()}. Correct this and start again.")
    first, kind = str(error).strip().partition("\n")[0], type(error).__name__
    if kind == "OutOfMemoryError":  # of PyTorch, on a GPU
        return f"The memory of the GPU is too small for this profile: use --profile quick, or --device cpu. {first}"
    if isinstance(error, MemoryError) or "can't allocate memory" in first:  # the words of PyTorch
        return "The memory of this machine is too small: close other programs, or use --profile quick."
    if "CUDA error" in first:
        return f"The GPU reports an error: use --device cpu, or start the machine again. {first}"
    if kind == "BrokenProcessPool":
        return "A process was ended from outside, perhaps because the memory is too small: close other programs and start again."
    if kind == "LibsndfileError":
        return f"{first} Convert the sound file (ffmpeg -i IN OUT.wav) and start again."
    if isinstance(error, ModuleNotFoundError):
        return f"{first}. Run ./run_all.sh once: it installs what is missing."
    if isinstance(error, UnicodeError):
        return f"A name or a text is not valid UTF-8 ({first}). Rename the file, or save the text as UTF-8."
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" in {Path(where[0].filename).name}, line {where[0].lineno}" if where else ""
    return f"Unexpected error{place}: {kind}: {first}. Start again with --debug to see the traceback."


def run_command(work: Callable[[], int], *, debug: bool = False, kept: Callable[[], str] = lambda: "") -> int:
    """Return the exit status of a command: that of `work`, 1 after an error, 130 after Ctrl-C. The message goes to the error output.

    Parameters
    ----------
    work : the command. It runs in the main thread, as this function must.
    debug : raise an error of `work` instead of explaining it.
    kept : called after Ctrl-C; returns what is kept and how to continue.
    """
    say = functools.cache(lambda: _say_interrupted(kept))  # once
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115 - a closed one is None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # for names that are not UTF-8
        setattr(sys, name, stream)
    before = warnings.showwarning, signal.getsignal(signal.SIGINT)
    if not debug:
        warnings.showwarning = _show_warning
    signal.signal(signal.SIGINT, lambda *_: _interrupt(say))
    try:
        return work()
    except KeyboardInterrupt:
        say()
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes the output once more at its end
        print(f"\nThe reader of the output has gone, so the command stops. {kept()}".rstrip(), file=sys.stderr)
        return 1
    except Exception as error:
        if debug:
            raise
        print(f"\n{explained(error)}", file=sys.stderr)
        return 1
    finally:
        warnings.showwarning = before[0]
        signal.signal(signal.SIGINT, before[1])


def _interrupt(say: Callable[[], None]) -> None:
    """Handle Ctrl-C: end the child processes, raise KeyboardInterrupt, and leave after `SECONDS_TO_END` even if a thread still works."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def leave() -> None:  # a thread still works, or the process is already ending and waits for one
        end_children()
        say()
        os._exit(130)

    watch = threading.Timer(SECONDS_TO_END, leave)
    watch.daemon = True
    watch.start()
    end_children()
    raise KeyboardInterrupt


def end_children() -> None:
    """Kill the processes that this one has started, such as the kernels of notebooks. Their files are whole: each is written aside."""
    try:
        import psutil
    except ImportError:  # before the packages are installed no process is started
        return
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


def _say_interrupted(kept: Callable[[], str]) -> None:
    try:
        said = kept()
    except Exception:  # a file that was about to be written; what is kept is kept without being listed
        said = ""
    print(f"\nInterrupted. {said}".rstrip(), file=sys.stderr, flush=True)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Print a `StudyWarning` as one line, and leave out the warnings of other libraries, which a user cannot act on."""
    if issubclass(category, StudyWarning):
        from tqdm import tqdm

        tqdm.write(f"Note: {message}", file=sys.stderr)  # above a progress bar


def printable(name: str | Path) -> str:
    """Return a file name that can be written as UTF-8: bytes of the name that are not UTF-8 become \\xNN."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _shown(name: str | bytes) -> str:
    """Return a file name for display, relative to the working directory if it is below it."""
    path = Path(os.fsdecode(name))
    with suppress(OSError, ValueError):  # the working directory may be deleted
        path = path.relative_to(Path.cwd())
    return printable(path)
