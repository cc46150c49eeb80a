"""Writing files so that a reader never sees half of one: aside first, then renamed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 20


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """A path to write to; it becomes `target` if the block succeeds and is removed if it does not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder to fill; it takes the place of `target` if the block succeeds and is removed if it does not."""
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
    """Rename a file or folder to NAME.old, NAME.old-2 and so on, the first that is free, and return where it is now."""
    candidates = [path.with_name(f"{path.name}.old{f'-{n}' if n > 1 else ''}") for n in range(1, 1000)]
    target = next(c for c in candidates if not c.exists())
    return path.rename(target)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with atomic_write(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: Path, content: dict) -> None:
    """Write indented JSON, whole or not at all."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def copy_stream(target: Path, source) -> None:
    """Copy a binary file object to `target`, whole or not at all."""
    with atomic_write(target) as path, open(path, "wb") as out:
        shutil.copyfileobj(source, out, CHUNK)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
