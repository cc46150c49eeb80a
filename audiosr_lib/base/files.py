"""Reading and writing files. A file is written under a temporary name and then renamed, so it is never seen incomplete."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiosr_lib.base.errors import StudyError


class Busy(StudyError):
    """Another process works in the same folder."""


class DamagedFile(StudyError):
    """A file of the study cannot be read."""


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `target` if the block succeeds and removed if it fails.

    Its name ends in .part and is new, so no other file has it. An OSError of the block names the target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name[:40]}.{uuid.uuid4().hex}.part")  # the writer makes it, with the permissions of a new file
    try:
        with named(target, instead_of=temporary):
            yield temporary
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def named(file: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Name the file in an OSError of the block that names none, as that of a full disk, or that names another one."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(instead_of)):
            error.filename = str(file)
        raise


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder. It replaces `target` if the block succeeds and is removed if it fails."""
    target = target.resolve()  # a link to a folder on a larger disk stays
    restore(target)
    new = target.with_name(target.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    swap(new, target)


def swap(new: Path, target: Path) -> None:
    """Rename the folder `new` to `target`. An older `target` is deleted after that; `restore` repairs an interruption in between."""
    target = target.resolve()
    old = target.with_name(target.name + ".old")
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def restore(target: Path) -> None:
    """Rename NAME.old back to `target` if an interrupted `swap` left no `target`."""
    target = target.resolve()
    old = target.with_name(target.name + ".old")
    if old.exists() and not target.exists():
        old.rename(target)


@contextmanager
def only_one(lock: Path, where: str) -> Iterator[None]:
    """Hold a lock file while the block runs. It contains the process and its start time.

    The system frees the lock when the process ends, in whatever way, so a lock file that is left over does not stop anybody.

    Parameters
    ----------
    lock : path of the lock file.
    where : the folder that the lock guards, for the message.

    Raises
    ------
    Busy : another process holds the lock.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with open(lock, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Busy(
                f"Another run works in {where}: {file.read().strip() or 'a process that has just started'}. "
                "Wait until it ends, or set AUDIOSR_HOME to another folder for this run."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, started {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        file.flush()
        yield
        file.truncate(0)


def move_aside(path: Path, folder: Path | None = None) -> Path:
    """Rename a file or folder to the first free name of NAME.old, NAME.old-2 ..., and return its new path.

    Parameters
    ----------
    path : file or folder.
    folder : where it goes, on the same disk; None: it stays in its folder.
    """
    candidates = [(folder or path.parent) / f"{path.name}.old{f'-{n}' if n > 1 else ''}" for n in range(1, 1000)]
    return path.rename(next(c for c in candidates if not c.exists()))


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text, by `atomic_write`."""
    with atomic_write(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: Path, content: dict) -> None:
    """Write indented JSON, by `atomic_write`."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path, *keys: str) -> dict:
    """Return the dictionary in a JSON file. Raises DamagedFile if there is none, or if it lacks one of the keys."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if missing := [key for key in keys if key not in content] if isinstance(content, dict) else ["a dictionary"]:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except ValueError as error:  # of JSON or UTF-8, too
        raise DamagedFile(f"{path} is damaged ({error}): delete it and start again.") from None
    return content


def copy_stream(target: Path, source) -> None:
    """Copy a binary file object to `target`, by `atomic_write`."""
    with atomic_write(target) as path, open(path, "wb") as out:
        shutil.copyfileobj(source, out)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
