"""To 22.05 kHz and back: the preparation's two FIR filters against resampy and soxr. ``python benchmarks/preparation_speed.py``"""

from __future__ import annotations

import floors
import numpy as np
import soxr

from audiosr_lib import resampling
from audiosr_lib.base.constants import SR_HIGH, SR_LOW

SECONDS = 20.0


def main() -> None:
    y = 0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * SR_HIGH))
    kernel = resampling.shipped_filter("kaiser_fast")
    methods = {
        "two FIR filters (the preparation)": lambda: resampling.round_trip(y, kernel),
        "resampy": lambda: resampling.interpolate(resampling.degrade(y)),
        "soxr, high quality": lambda: soxr.resample(soxr.resample(y, SR_HIGH, SR_LOW), SR_LOW, SR_HIGH),
    }
    difference = {name: float(np.abs(method() - methods["resampy"]()).max()) for name, method in methods.items()}
    best = floors.best_seconds(methods, 5)
    taps = np.mean([len(b) for b in resampling.polyphase_branches(kernel)])
    work, rate = 2 * taps * SR_HIGH, floors.matrix_rate("cpu")  # each way the same number of products
    rows = [
        {"method": name, "audio seconds a second": SECONDS / t, "times resampy": best["resampy"] / t,
         "share of the floor": SECONDS * work / rate / t, "largest difference": difference[name]}
        for name, t in best.items()
    ]  # fmt: skip
    note = f"{SECONDS:g} s, one thread but for the floor: {work / 1e6:.1f} MMAC a second of audio, {rate / 1e9:,.0f} GMAC/s measured"
    floors.tell("preparation", rows, "audio seconds a second", [note])


if __name__ == "__main__":
    main()
