"""Speed as the coursework states it: seconds of audio upsampled per second of computation (Table 3). Also memory. Notebook 10."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audiosr_lib.base.constants import SR_LOW


@dataclass(frozen=True)
class Speed:
    """Real-time ratios of one method: the best round and all rounds."""

    method: str
    ratio: float
    rounds: tuple[float, ...]


def real_time_ratios(
    methods: dict[str, Callable[[np.ndarray], np.ndarray]], x_low: np.ndarray, repeats: int, warm_up_seconds: float = 0.5
) -> list[Speed]:
    """Return the speed of each method on the same low-rate signal.

    The best round counts, because other work on the machine can only slow a round down. Warm-up, with numba's compilation, is not timed.

    Parameters
    ----------
    methods : functions by name, ``(T,) float32 at 22.05 kHz -> (2T,)``. On a GPU, copy the result back.
    x_low : the signal.
    repeats : number of rounds, each over all methods.
    warm_up_seconds : length of a first warm-up, on the beginning of the signal; a second one uses the whole signal.
    """
    warm = x_low[: round(warm_up_seconds * SR_LOW)]
    for name, method in methods.items():
        for signal in (warm, x_low):
            if (made := len(method(signal))) != 2 * len(signal):
                raise ValueError(f"{name} returned {made} samples for {len(signal)}: it must return two samples for each one")
    rounds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, method in methods.items():
            started = time.perf_counter()
            method(x_low)
            rounds[name].append(len(x_low) / SR_LOW / (time.perf_counter() - started))
    return [Speed(name, max(ratios), tuple(ratios)) for name, ratios in rounds.items()]


def peak_memory_bytes(function: Callable[[], object], every_seconds: float = 0.002) -> int:
    """Return how far the resident memory of this process rises while `function` runs, its result included, in bytes.

    Memory is sampled, so a peak shorter than `every_seconds` can be missed. GPU memory is not counted.
    """
    import psutil

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # only glibc: return freed memory to the system, or its reuse would not show
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    process = psutil.Process()
    before = peak = process.memory_info().rss
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(every_seconds):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        result = function()
        peak = max(peak, process.memory_info().rss)
        del result
    finally:
        done.set()
        thread.join()
    return peak - before
