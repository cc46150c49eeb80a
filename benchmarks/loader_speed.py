"""Crops for training: read from the memory map, gathered, or decoded anew. ``python benchmarks/loader_speed.py [cpu|cuda]``"""

from __future__ import annotations

import tempfile
from pathlib import Path

import floors
import numpy as np
import soundfile as sf
from floors import device_argument

from audiosr_lib import resampling
from audiosr_lib.base import paths
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.data import corpora, dataset, preparation
from audiosr_lib.training.batches import DeviceBatches, HostBatches

BATCH, CROP_SECONDS, STEPS = 16, 2.0, 20


def corpus() -> str:
    """The corpus of the quick run if it is prepared here, else the synthetic one."""
    name = "tuxpaint" if (paths.prepared("tuxpaint") / "corpus.json").exists() else "synthetic"
    preparation.make_ready(corpora.open_corpus(name))
    return name


def main() -> None:
    device, name = device_argument(), corpus()
    split = dataset.PairedSplit(name, "train")
    crop_seconds = min(CROP_SECONDS, sorted(u.seconds for u in split.utterances)[len(split) // 2] // 0.1 * 0.1)
    length = round(crop_seconds * SR_HIGH / 2) * 2
    crops = dataset.Crops(split, BATCH, length, seed=0)
    host, resident = HostBatches(crops, device), DeviceBatches(crops, device)

    def steps(batches):
        for step in range(STEPS):
            batches(step)

    with tempfile.TemporaryDirectory() as folder:
        recordings = []
        for i in [i for own in crops.eligible.values() for i in own][:BATCH]:
            recordings.append(Path(folder) / f"{i}.flac")
            sf.write(recordings[-1], split.read(i)[1], SR_HIGH, subtype="PCM_16")

        def decoded():
            for file in recordings:
                y = sf.read(file, dtype="float32")[0][:length]
                resampling.interpolate(resampling.degrade(y))

        methods = {
            "memory map": lambda: steps(host),
            "in the device's memory": lambda: steps(resident),
            "decode and resample each crop": decoded,
        }
        best = floors.best_seconds(methods, 5, device)
    audio = {"decode and resample each crop": BATCH * crop_seconds}
    rate = floors.memory_rate("cpu")
    moved = 2 * (2 + 4 + 4) * SR_HIGH  # bytes a second of audio, x and y: read as 16 bit, written and stacked as 32
    rows = []
    for method, t in best.items():
        seconds = audio.get(method, STEPS * BATCH * crop_seconds)
        share = seconds * moved / rate / t if method not in audio else np.nan
        rows.append({"method": method, "audio seconds a second": seconds / t, "share of the floor": share})
    note = f"{name}, batches of {BATCH} crops of {crop_seconds:g} s; "
    note += f"floor: {moved / 1e6:.2f} MB a second of audio, {rate / 1e9:.1f} GB/s measured"
    floors.tell("loader", rows, "audio seconds a second", [note])


if __name__ == "__main__":
    main()
