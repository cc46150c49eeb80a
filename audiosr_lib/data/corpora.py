"""Corpora: the registry data/corpora.toml and the split of each speaker.

Splits share no speaker. The registry fixes them, and the preparation stores them beside the pairs. Corpora combine: "ravdess+alnum" has
the recordings of both, each in its own splits.
"""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import StudyError, printable
from audiosr_lib.base.profiles import parts_of

SPLITS = ("train", "validation", "test")
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
# Folders that systems and network storages make by themselves; every name that begins with a dot is skipped, too.
SYSTEM_FOLDERS = {
    "__macosx", "@eadir", "@recycle", "@__thumb", "#recycle", "#snapshot",
    "$recycle.bin", "recycler", "system volume information", "lost+found",
}  # fmt: skip


class CorpusError(StudyError):
    """A corpus cannot be fetched or used; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """An audio file of a corpus, or a piece of a long one."""

    path: Path
    name: str  # path below the folder of the corpus
    speaker: str
    split: str | None  # None: the speaker is in no split
    start: int = 0  # first frame
    frames: int = -1  # -1: to the end


@dataclass(frozen=True)
class Corpus:
    """A corpus: its name, its registry entry, the folder of its recordings, and the corpora that it combines."""

    name: str
    entry: dict
    folder: Path
    combined: tuple[Corpus, ...] = ()

    @property
    def parts(self) -> tuple[Corpus, ...]:
        """The corpora that are fetched and prepared: those that are combined, or this one."""
        return self.combined or (self,)

    @property
    def splits(self) -> tuple[str, ...]:
        return splits_of(self.entry)


def splits_of(entry: dict) -> tuple[str, ...]:
    """Return the splits that a registry entry must fill: all three, or one if it names only `train` or only `test`."""
    named = tuple(entry.get("splits", ()))
    return named if named in (("train",), ("test",)) else SPLITS


def registry() -> dict:
    """Return data/corpora.toml as a dictionary: the table `keep` holds the thresholds, every other table a corpus."""
    return tomllib.loads(paths.registry_file().read_text(encoding="utf-8"))


def entries() -> dict[str, dict]:
    """Return the corpora of the registry by name."""
    return {name: entry for name, entry in registry().items() if name not in ("keep", "folder")}


def names_to_train_on() -> list[str]:
    """Return the names of the corpora that have all splits."""
    return [name for name, entry in entries().items() if splits_of(entry) == SPLITS]


def open_corpus(name: str) -> Corpus:
    """Return the corpus called `name`, or a corpus of the recordings in the folder `name`. Raises CorpusError if it is neither.

    A folder's corpus is called folder-NAME-HASH. Once it is prepared, this name opens it, too. Names and folders joined by "+" combine.
    """
    if "+" in name and not Path(name).expanduser().is_dir():
        return _combine([open_corpus(part) for part in parts_of(name) if part])
    if name in (known := entries()):
        return Corpus(name, known[name], paths.raw(name))
    summary = paths.prepared(name) / "corpus.json"
    if re.fullmatch(r"folder-[A-Za-z0-9_-]+", name) and summary.exists():
        return Corpus(name, registry()["folder"], Path(files.read_json(summary).get("folder", paths.raw(name))))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise CorpusError(f"no corpus or folder is called {name!r}: choose {', '.join(names_to_train_on())}, or give an existing folder")
    folder = folder.resolve()
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name) or "folder"
    return Corpus(f"folder-{safe}-{digest}", registry()["folder"], folder)


def _combine(parts: list[Corpus]) -> Corpus:
    """Return a corpus of several, in the order of the registry. Raises CorpusError if one is given twice, or cannot be trained on."""
    known = list(entries())
    parts = sorted(parts, key=lambda p: known.index(p.name) if p.name in known else len(known))
    names = [p.name for p in parts]
    if twice := next((n for n in names if names.count(n) > 1), ""):
        raise CorpusError(f"the corpus {twice} is given twice: name each part once")
    for part in parts:
        if part.splits == ("test",):
            raise CorpusError(f"{part.name!r} is for testing only, not for training: choose {', '.join(names_to_train_on())} or a folder")
    if not any(part.splits == SPLITS for part in parts):
        raise CorpusError(f"{'+'.join(names)!r} has no speakers for validation and test: add one of {', '.join(names_to_train_on())}")
    return Corpus("+".join(names), {"kind": "combined"}, paths.raw(""), tuple(parts)) if len(parts) > 1 else parts[0]


def split_speakers(corpus: Corpus, speakers: Iterable[str]) -> dict[str, str | None]:
    """Return a dictionary from each speaker found on disk to its split, or to None if it is in no split.

    For a corpus of the registry (data/corpora.toml) the registry names the speakers of each split; any other speaker is in the split
    that the registry names for `others`, or in none. For a folder of the user's own, speakers are ordered by a hash of their names and
    divided by the registry's shares, at least one speaker to each split. Raises CorpusError if a split would be empty.
    """
    speakers = sorted(set(speakers))
    if corpus.entry["kind"] == "folder":
        if len(speakers) < len(SPLITS):
            raise CorpusError(
                f"{printable(corpus.folder.name)} has {len(speakers)} speaker(s) ({', '.join(speakers[:5])}): training, validation and "
                "test must not share one. Give a folder with at least three sub-folders of recordings, one for each speaker."
            )
        order = sorted(speakers, key=lambda s: hashlib.sha256(s.encode()).hexdigest())
        n_test = max(1, round(len(order) * corpus.entry["test_share"]))
        n_validation = max(1, round(len(order) * corpus.entry["validation_share"]))
        return {s: "test" if i < n_test else "validation" if i < n_test + n_validation else "train" for i, s in enumerate(order)}
    named = {s: split for split, members in corpus.entry["splits"].items() for s in members}
    named |= dict.fromkeys(corpus.entry.get("left_out_speakers", ()))
    result = {s: named.get(s, corpus.entry.get("others")) for s in speakers}
    if missing := [split for split in corpus.splits if split not in result.values()]:
        raise CorpusError(
            f"{corpus.name}: no speaker of the split(s) {', '.join(missing)} is on disk; "
            "delete fetched.json beside the recordings and start again"
        )
    return result


def speaker_of(corpus: Corpus, path: Path) -> str:
    """Return the speaker: the language of a tuxpaint file, else the first folder below the corpus, or below its `inside`."""
    if corpus.entry["kind"] == "tuxpaint":
        return path.stem.rpartition("_desc")[2].lstrip("_") or "en"
    relative = path.relative_to(corpus.folder / corpus.entry.get("inside", ""))
    return printable(relative.parts[0]) if len(relative.parts) > 1 else "(no sub-folder)"


def _files(top: Path) -> Iterator[Path]:
    """Yield the files below a folder, but no hidden or system files; each folder once, whether it is there or linked.

    Links are followed after all other folders, so that a folder that is there keeps its own path. A link to a folder that
    holds the link is not followed.
    """
    seen, waiting = set(), deque([top])
    while waiting:
        folder = waiting.popleft()
        if (real := folder.resolve()) in seen:
            continue
        seen.add(real)
        for path in folder.iterdir():
            if path.name.startswith(".") or path.name.casefold() in SYSTEM_FOLDERS:
                continue
            if not path.is_dir():
                yield path
            elif not path.is_symlink():
                waiting.appendleft(path)
            elif not real.is_relative_to(path.resolve()):
                waiting.append(path)


def list_recordings(corpus: Corpus) -> list[Recording]:
    """Return all recordings of a fetched corpus, part by part, sorted by path. Raises CorpusError if there are none."""
    if corpus.combined:
        return [recording for part in corpus.combined for recording in list_recordings(part)]
    try:
        listed = list(_files(corpus.folder))
        found = sorted(p for p in listed if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    except OSError as error:
        where = printable(error.filename or corpus.folder.name)
        raise CorpusError(f"cannot read the folder {where}: {error.strerror}. Check its path and permissions.") from error
    if not found:
        broken = [printable(p.name) for p in listed if not p.exists()]
        links = f". The link {broken[0]} leads nowhere" + (f", and {len(broken) - 1} more" if broken[1:] else "") if broken else ""
        fetched = ". Delete fetched.json there and start again" if (corpus.folder / "fetched.json").exists() else ""
        raise CorpusError(f"no WAV, FLAC, OGG or MP3 file in {printable(corpus.folder.name)} or its sub-folders{links}{fetched}")
    speakers = [speaker_of(corpus, p) for p in found]
    split = split_speakers(corpus, speakers)
    names = [printable(p.relative_to(corpus.folder).as_posix()) for p in found]
    return [Recording(p, n, s, split[s]) for p, n, s in zip(found, names, speakers, strict=True)]


def content_hash(folder: Path, speakers: set[str] | None = None) -> str:
    """Return a SHA-256 of the sorted names and hashes of the recordings below `folder`, or below its sub-folders `speakers`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
        name = path.relative_to(folder)
        if speakers is None or name.parts[0] in speakers:
            digest.update(f"{name.as_posix()} {files.sha256_of(path)}\n".encode())
    return digest.hexdigest()
