"""Corpora: the registry data/corpora.toml, and who speaks in which split.

Splits are disjoint by speaker, fixed in the registry, and written down again beside the prepared pairs.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import StudyError

SPLITS = ("train", "validation", "test")
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}


class CorpusError(StudyError):
    """A corpus that cannot be had or used; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """One file of a corpus: where it lies, who speaks, and the split of that speaker (None: in none)."""

    path: Path
    name: str  # relative to the corpus, without the suffix: unique and stable
    speaker: str
    split: str | None


@dataclass(frozen=True)
class Corpus:
    """A registry entry: its name, its table, and the folder of its recordings."""

    name: str
    entry: dict
    folder: Path

    @property
    def title(self) -> str:
        return self.entry["title"]

    @property
    def licence(self) -> str:
        return self.entry["licence"]

    @property
    def splits(self) -> tuple[str, ...]:
        return splits_of(self.entry)


def splits_of(entry: dict) -> tuple[str, ...]:
    """Splits that a registry entry must fill: `test` alone if it names no other, for a corpus that is never trained on; else all three."""
    return ("test",) if set(entry.get("splits", ())) == {"test"} else SPLITS


def registry() -> dict:
    """data/corpora.toml as a dictionary; its table `keep` holds the thresholds, every other one a corpus."""
    return tomllib.loads(paths.registry_file().read_text(encoding="utf-8"))


def entries() -> dict[str, dict]:
    """Return the corpora of the registry by name."""
    return {name: entry for name, entry in registry().items() if name not in ("keep", "folder")}


def names_to_train_on() -> list[str]:
    """Return the names of the corpora that have all splits."""
    return [name for name, entry in entries().items() if splits_of(entry) == SPLITS]


def open_corpus(name: str) -> Corpus:
    """The corpus called `name`, or the folder of that path.

    Raises CorpusError for a name that is neither, listing the names one can train on.
    """
    if name in (known := entries()):
        return Corpus(name, known[name], paths.raw(name))
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise CorpusError(f"no corpus and no folder called {name!r}: choose {', '.join(names_to_train_on())}, or give an existing folder")
    folder = folder.resolve()
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name) or "folder"
    return Corpus(f"folder-{safe}-{digest}", registry()["folder"], folder)


# --- who speaks, and in which split -------------------------------------------------------------


def split_speakers(corpus: Corpus, speakers: Iterable[str]) -> dict[str, str | None]:
    """Speaker -> split, for the speakers found on disk.

    Named splits come from the registry; for vctk every other speaker is trained on, elsewhere is in no split.
    For a folder, speakers are ordered by a hash of their names and dealt out by the registry's shares, at least one
    to each split. Raises CorpusError if a split of the corpus would stay empty.
    """
    speakers = sorted(set(speakers))
    if corpus.entry["kind"] == "folder":
        if len(speakers) < len(SPLITS):
            raise CorpusError(
                f"{corpus.folder.name} has {len(speakers)} speaker(s) ({', '.join(speakers[:5])}): training, validation and test "
                "must not share one. Give a folder with at least three sub-folders of recordings, one for each speaker."
            )
        order = sorted(speakers, key=lambda s: hashlib.sha256(s.encode()).hexdigest())
        n_test = max(1, round(len(order) * corpus.entry["test_share"]))
        n_validation = max(1, round(len(order) * corpus.entry["validation_share"]))
        return {s: "test" if i < n_test else "validation" if i < n_test + n_validation else "train" for i, s in enumerate(order)}
    named = {s: split for split, members in corpus.entry["splits"].items() for s in members}
    default = "train" if corpus.entry["kind"] == "vctk" else None
    dropped = set(corpus.entry.get("left_out_speakers", ()))
    result = {s: None if s in dropped else named.get(s, default) for s in speakers}
    missing = [split for split in corpus.splits if split not in result.values()]
    if missing:
        raise CorpusError(
            f"{corpus.name}: no speaker of the split(s) {', '.join(missing)} is on disk; "
            "delete fetched.json beside the recordings and start again"
        )
    return result


def speaker_of(corpus: Corpus, path: Path) -> str:
    """Speaker of a recording: the language of a tuxpaint file, elsewhere the first folder below the corpus or its `inside`."""
    if corpus.entry["kind"] == "tuxpaint":
        return path.stem.rpartition("_desc")[2].lstrip("_") or "en"
    relative = path.relative_to(corpus.folder / corpus.entry.get("inside", ""))
    return relative.parts[0] if len(relative.parts) > 1 else "(no sub-folder)"


def list_recordings(corpus: Corpus) -> list[Recording]:
    """Every recording of a fetched corpus, sorted by name. Raises CorpusError if there is none."""
    try:
        found = sorted(p for p in corpus.folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES and p.is_file())
    except OSError as error:
        raise CorpusError(f"cannot read the folder {corpus.folder.name}: {error.strerror}. Mend its place or its permissions.") from error
    if not found:
        raise CorpusError(f"no WAV, FLAC, OGG or MP3 file in {corpus.folder.name} or its sub-folders")
    speakers = {p: speaker_of(corpus, p) for p in found}
    split = split_speakers(corpus, speakers.values())
    names = [p.relative_to(corpus.folder).as_posix() for p in found]
    return [Recording(p, n, speakers[p], split[speakers[p]]) for p, n in zip(found, names, strict=True)]


def content_hash(folder: Path, speakers: set[str] | None = None) -> str:
    """SHA-256 over the sorted relative names and hashes of the recordings below `folder`, or of its sub-folders called `speakers`."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES):
        if speakers is not None and path.relative_to(folder).parts[0] not in speakers:
            continue
        digest.update(f"{path.relative_to(folder).as_posix()} {files.sha256_of(path)}\n".encode())
    return digest.hexdigest()
