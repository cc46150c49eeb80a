"""What tests share besides fixtures."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import soundfile as sf

from audiosr_lib import signals
from audiosr_lib.data import dataset

SR = 44100
SMALL_TRAINING = dict(steps=4, crop_seconds=0.1, batch_size=2, validate_every=2, validation_crops=3, checkpoint_every=2)


def write_speaker(folder: Path, speaker: str, count: int, seconds: float = 1.2, sr: int = SR) -> None:
    """`count` synthetic utterances of a speaker as WAV files."""
    (folder / speaker).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, speaker)))
    for i in range(count):
        x = signals.synthetic_speech(seconds, sr, rng, pitch_hz=110 + 10 * i)
        sf.write(folder / speaker / f"{speaker}_{i}.wav", x, sr, subtype="PCM_16")


PARAMETERS_CELL = 'profile = "quick"\ncorpus = ""\nseed = 0\ndevice = "auto"'
OPENED = "from audiosr_lib.study import record\nrun = record.Run.open({!r}, profile=profile, corpus=corpus, seed=seed, device=device)\n"


def write_notebook(folder: Path, name: str, *sources: str, parameters: str = PARAMETERS_CELL) -> Path:
    """A notebook with a cell for its parameters and one for each source."""
    cells = [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [nbformat.v4.new_code_cell(s) for s in sources]
    nb = nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    file = folder / f"{name}.ipynb"
    nbformat.write(nb, file)
    return file


def write_chapter(folder: Path, name: str, *sources: str) -> Path:
    """A notebook that opens its run, and then runs the sources."""
    return write_notebook(folder, name, OPENED.format(name), *sources)


def poison(monkeypatch, bad_step: int) -> None:
    """From now on the inputs of one training step are not numbers."""
    batch = dataset.Crops.batch

    def poisoned(self, step):
        x, y = batch(self, step)
        return (x * np.float32("nan") if step == bad_step else x), y

    monkeypatch.setattr(dataset.Crops, "batch", poisoned)


def committed_records() -> list[Path]:
    """The record that README.md was written from, if it lies in figures/: strict tests hold README and record together."""
    from audiosr_lib.base import files, paths
    from audiosr_lib.study import summary

    named = summary.named_record((paths.REPOSITORY / "README.md").read_text(encoding="utf-8"))
    return [f for f in _records() if files.read_json(f / "manifest.json")["finished"] == named]


def own_records() -> list[Path]:
    """Every other record in figures/ that this code made: a user's own run has put it there, and its numbers may be any."""
    from audiosr_lib.base import files, provenance

    commit = provenance.git_commit().removesuffix("-modified")
    others = [f for f in _records() if f not in committed_records()]
    return [f for f in others if files.read_json(f / "manifest.json")["git_commit"].removesuffix("-modified") == commit]


def _records() -> list[Path]:
    from audiosr_lib.base import paths

    return [f.parent for f in sorted((paths.REPOSITORY / "figures").glob("*/manifest.json"))]
