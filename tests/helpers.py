"""What tests share besides fixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib import dataset, signals

SR = 44100


def write_speaker(folder: Path, speaker: str, count: int, seconds: float = 0.8, sr: int = SR) -> None:
    """`count` synthetic utterances of a speaker as WAV files."""
    (folder / speaker).mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, speaker)))
    for i in range(count):
        x = signals.synthetic_speech(seconds, sr, rng, pitch_hz=110 + 10 * i)
        sf.write(folder / speaker / f"{speaker}_{i}.wav", x, sr, subtype="PCM_16")


def poison(monkeypatch, bad_step: int) -> None:
    """From now on the inputs of one training step are not numbers."""
    batch = dataset.Crops.batch

    def poisoned(self, step):
        x, y = batch(self, step)
        return (x * np.float32("nan") if step == bad_step else x), y

    monkeypatch.setattr(dataset.Crops, "batch", poisoned)
