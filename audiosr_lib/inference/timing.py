"""Speed as the coursework states it: seconds of audio upsampled per second of computation (Table 3).

All methods see the same audio in one run, in turn, several rounds; the best round counts, for whatever else the machine does
only ever slows one down. Warm-up, and with it numba's compilation, is left out. Notebook 10.
"""

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
    """Real-time ratios of one method: the best round, and all of them."""

    method: str
    ratio: float
    rounds: tuple[float, ...]


def real_time_ratios(
    methods: dict[str, Callable[[np.ndarray], np.ndarray]], x_low: np.ndarray, repeats: int, warm_up_seconds: float = 0.5
) -> list[Speed]:
    """Time each method on the same low-rate signal.

    Parameters
    ----------
    methods : name -> function of a (T,) float32 signal at 22.05 kHz; it must return when the result is there
        (on a GPU: copied back). x_low : the signal. repeats : rounds, each over all methods.

    Raises
    ------
    ValueError : if a method does not double the number of samples, for then it did not do the job that is timed.
    """
    warm = x_low[: round(warm_up_seconds * SR_LOW)]
    for name, method in methods.items():
        for signal in (warm, x_low):
            if len(method(signal)) != 2 * len(signal):
                raise ValueError(f"{name} did not return two samples for each one")
    rounds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(repeats):
        for name, method in methods.items():
            started = time.perf_counter()
            method(x_low)
            rounds[name].append(len(x_low) / SR_LOW / (time.perf_counter() - started))
    return [Speed(name, max(ratios), tuple(ratios)) for name, ratios in rounds.items()]


def peak_memory_bytes(function: Callable[[], object], every_seconds: float = 0.002) -> int:
    """How far the resident memory of this process rises above its present level while `function` runs, in bytes.

    Its result is counted, too. Sampled, so a peak shorter than `every_seconds` can be missed. On a GPU ask torch instead.
    """
    import psutil

    _give_back_free_memory()
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


def _give_back_free_memory() -> None:
    """Return memory that was freed, but kept by the C library, to the system; only glibc can. Otherwise it would be used again unseen."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
