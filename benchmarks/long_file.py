"""A recording of hours from file to file: time, memory, seams far from its beginning. ``python benchmarks/long_file.py [hours]``

Each precision runs in a process of its own, whose peak of resident memory the operating system counts, Python and PyTorch included.
(Linux begins a process's count at what its parent held when it started it, so whatever takes memory here comes after the runs.)
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import floors
import numpy as np
import soundfile as sf
import torch

from audiosr_lib import resampling
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.inference import chunks
from audiosr_lib.inference.deployed import HALVINGS, Deployed

CHECKED_SECONDS = 12.0  # of the middle, longer than two parts: computed anew in one piece, in double precision


def peak_bytes() -> int:
    """The largest resident memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def write_noise(file: Path, hours: float) -> None:
    """A recording of noise at 22.05 kHz, written a minute at a time."""
    rng, left = np.random.default_rng(0), round(hours * 3600 * SR_LOW)
    with sf.SoundFile(file, "w", SR_LOW, 1, "PCM_16") as writer:
        while left:
            writer.write(0.1 * rng.standard_normal(min(left, 60 * SR_LOW)))
            left -= min(left, 60 * SR_LOW)


@torch.inference_mode()
def largest_difference(source: Path, target: Path) -> float:
    """Between the middle of the result and the network in double precision on that stretch without a seam."""
    total = sf.info(target).frames
    length = min(round(CHECKED_SECONDS * SR_HIGH), total) // HALVINGS * HALVINGS
    begin = (total - length) // 2 // HALVINGS * HALVINGS
    # a second more in front, in which the filter of the addition forgets where it started
    first, last = max(begin - chunks.CONTEXT - SR_HIGH // HALVINGS * HALVINGS, 0), min(begin + length + chunks.CONTEXT, total)
    low, _ = sf.read(source, start=first // 2, stop=last // 2, dtype="float32")
    exact = Deployed(floors.used_unet().double(), torch.float64)
    x = torch.from_numpy(resampling.interpolate(low)).double()[None, None]
    silence = 2 * chunks.CONTEXT  # in front of the recording, and half of it behind
    added = (exact(x, silence + first, silence + total + chunks.CONTEXT) - x)[0, 0, chunks.CONTEXT :].numpy()
    expected = x[0, 0, chunks.CONTEXT :].numpy() + chunks.Addition(total)(added[:, None], first + chunks.CONTEXT)[:, 0]
    expected = expected[begin - first - chunks.CONTEXT :][:length].clip(-1, 1)
    made, _ = sf.read(target, start=begin, stop=begin + length)
    return float(np.abs(made - expected).max())


def enhance(source: Path, target: Path, dtype: torch.dtype, results) -> None:
    """One run, in a process of its own; puts seconds of audio, seconds it took, the peak after a tenth, and at the end."""
    deployed, tenth, done = Deployed(floors.used_unet(), dtype), [0], [0]
    total = 2 * sf.info(source).frames

    def progress(n: int) -> None:
        done[0] += n
        if done[0] >= total / 10 and not tenth[0]:
            tenth[0] = peak_bytes()
            print(f"{dtype}: a tenth done", flush=True)

    started = time.perf_counter()
    seconds = chunks.super_resolve_file(deployed, source, target, progress=progress)
    results.put((seconds, time.perf_counter() - started, tenth[0], peak_bytes()))


def main() -> None:
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    context, rows = multiprocessing.get_context("spawn"), []
    rate, work = floors.matrix_rate("cpu"), floors.network_work()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "low.wav"
        write_noise(source, hours)
        for dtype in (torch.bfloat16, torch.float32):
            target, results = Path(folder) / f"{dtype}.flac", context.Queue()
            process = context.Process(target=enhance, args=(source, target, dtype, results), daemon=True)
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(f"the run in {dtype} failed with status {process.exitcode}")
            seconds, took, early, peak = results.get()
            rows.append(
                {"precision": str(dtype)[6:], "real-time ratio": seconds / took, "minutes": took / 60,
                 "share of the floor": seconds * work / rate / took, "peak memory (MB)": peak / 1e6, "after a tenth (MB)": early / 1e6,
                 "file (MB)": target.stat().st_size / 1e6}
            )  # fmt: skip
        for row in rows:
            row["largest difference"] = largest_difference(source, Path(folder) / f"torch.{row['precision']}.flac")
    note = f"{hours:g} h of noise at 22.05 kHz to FLAC, in parts of {chunks.PART_SECONDS:g} s; memory of the whole process; "
    note += f"floor: {work / 1e9:.1f} GMAC a second of audio, {rate / 1e9:,.0f} GMAC/s measured in float32"
    floors.tell("long_file", rows, "real-time ratio", [note])


if __name__ == "__main__":
    main()
