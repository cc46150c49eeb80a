"""The folders of the study. They do not depend on the working directory, which papermill and nbval set differently.

The environment variable AUDIOSR_HOME names another folder for everything that is written: data, build and figures.
"""

from __future__ import annotations

import os
from pathlib import Path

from audiosr_lib.base.errors import StudyError

REPOSITORY = Path(__file__).resolve().parents[2]


def home() -> Path:
    """Return the folder that holds data/, build/ and figures/: AUDIOSR_HOME if it is set, else the repository."""
    try:
        return Path(os.environ.get("AUDIOSR_HOME") or REPOSITORY).expanduser().resolve()
    except RuntimeError as error:
        raise StudyError(f"AUDIOSR_HOME is {os.environ['AUDIOSR_HOME']!r}: {error} Give the path of a folder.") from None


def registry_file() -> Path:
    """Return the path of the corpus registry, data/corpora.toml in the repository."""
    return REPOSITORY / "data" / "corpora.toml"


def weights() -> Path:
    """Return the folder of the trained networks that the repository publishes."""
    return REPOSITORY / "data" / "weights"


def notebooks() -> list[Path]:
    """Return the paths of the notebooks in reading order."""
    return sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def raw(corpus: str) -> Path:
    """Return the folder of the fetched recordings of a corpus."""
    return home() / "data" / "raw" / corpus


def prepared(corpus: str) -> Path:
    """Return the folder of the prepared pairs of a corpus."""
    return home() / "data" / "prepared" / corpus


def build(profile: str) -> Path:
    """Return the folder of a run's working files: checkpoints, logs and the unfinished record."""
    return home() / "build" / profile


def trainings(profile: str) -> Path:
    """Return the folder of the trainings of a profile, one sub-folder each."""
    return build(profile) / "trainings"


def staging(profile: str) -> Path:
    """Return the folder of the unfinished record. Publishing copies it to `figures(profile)`."""
    return build(profile) / "record"


def figures(profile: str) -> Path:
    """Return the folder of the published record of the last complete run."""
    return home() / "figures" / profile


def shown(path: Path) -> str:
    """Return a path for display: relative to `home()`, or the name alone if it is outside."""
    path = Path(path).resolve()
    return path.relative_to(home()).as_posix() if path.is_relative_to(home()) else path.name
