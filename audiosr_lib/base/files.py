"""Reading and writing files. A file is written under a temporary name and then renamed, so it is never seen incomplete."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write to. It is renamed to `target` if the block succeeds and removed if it fails.

    Its name ends in .part and is new: it is no other file's, and two processes do not share it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name[:40]}.{uuid.uuid4().hex}.part")  # the writer makes it, with the permissions of a new file
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new, empty folder. It replaces `target` if the block succeeds and is removed if it fails."""
    new, old = target.with_name(target.name + ".new"), target.with_name(target.name + ".old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def move_aside(path: Path) -> Path:
    """Rename a file or folder to the first free name of NAME.old, NAME.old-2, NAME.old-3 ..., and return its new path."""
    candidates = [path.with_name(f"{path.name}.old{f'-{n}' if n > 1 else ''}") for n in range(1, 1000)]
    return path.rename(next(c for c in candidates if not c.exists()))


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text, by `atomic_write`."""
    with atomic_write(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: Path, content: dict) -> None:
    """Write indented JSON, by `atomic_write`."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def copy_stream(target: Path, source) -> None:
    """Copy a binary file object to `target`, by `atomic_write`."""
    with atomic_write(target) as path, open(path, "wb") as out:
        shutil.copyfileobj(source, out)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
