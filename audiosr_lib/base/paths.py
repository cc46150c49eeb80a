"""Where the study keeps its files, found from the package and not from the working directory.

papermill runs a notebook in the caller's directory, nbval in the notebook's: neither may matter.
AUDIOSR_HOME moves everything that is written (data, build, figures) elsewhere; the tests use it.
"""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def home() -> Path:
    """Folder that holds data/, build/ and figures/: the repository unless AUDIOSR_HOME names another."""
    return Path(os.environ.get("AUDIOSR_HOME") or REPOSITORY).resolve()


def registry_file() -> Path:
    """The corpus registry, data/corpora.toml, always the repository's own."""
    return REPOSITORY / "data" / "corpora.toml"


def notebooks() -> list[Path]:
    """The study's notebooks in reading order."""
    return sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def raw(corpus: str) -> Path:
    """Recordings as they were fetched."""
    return home() / "data" / "raw" / corpus


def prepared(corpus: str) -> Path:
    """Aligned pairs of a corpus."""
    return home() / "data" / "prepared" / corpus


def build(profile: str) -> Path:
    """Working files of a run: training log, checkpoints, logs, and the record being made."""
    return home() / "build" / profile


def staging(profile: str) -> Path:
    """The record while it is being made; it becomes `figures(profile)` when it is whole."""
    return build(profile) / "record"


def figures(profile: str) -> Path:
    """The published record of the last whole run."""
    return home() / "figures" / profile


def shown(path: Path) -> str:
    """A path as a reader should see it: relative to `home()` where it lies below it."""
    path = Path(path).resolve()
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else path.name
