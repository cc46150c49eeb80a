"""The U-Net on a recording: whole, fused, in parts, in half precision. ``python benchmarks/inference_speed.py [cpu|cuda] [seconds]``"""

from __future__ import annotations

import copy
import sys

import floors
import numpy as np
import torch
from floors import device_argument

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.inference import chunks, systems, timing
from audiosr_lib.inference.deployed import Deployed


def main() -> None:
    device = device_argument()
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else (60.0 if device == "cuda" else 8.0)
    x = (0.1 * np.random.default_rng(0).standard_normal(round(seconds * SR_HIGH))).astype(np.float32)
    eager = floors.used_unet().to(device)
    thin = systems.fuse_batch_norm(eager)
    last = Deployed(eager)
    with torch.inference_mode():
        reference = copy.deepcopy(eager).double()(torch.from_numpy(x).to(device).double()[None, None])[0, 0].cpu().numpy()
    methods = {"eager, whole": lambda: systems.enhance(eager, x), "batch norm fused, whole": lambda: systems.enhance(thin, x)}
    for part in (0.5, 1.0, 2.0, 4.0):
        methods[f"channels last, parts of {part:g} s"] = lambda part=part: chunks.enhance_long(last, x, part)
    methods["channels last, whole"] = lambda: chunks.enhance_long(last, x, seconds + 1)
    for dtype in (torch.bfloat16, torch.float16) if device == "cuda" else (torch.bfloat16,):
        half = Deployed(eager, dtype)
        for part in (2.0, seconds + 1):
            name = f"{str(dtype)[6:]}, " + ("whole" if part > seconds else f"parts of {part:g} s")
            methods[name] = lambda half=half, part=part: chunks.enhance_long(half, x, part)
    errors = {name: float(np.abs(method() - reference).max()) for name, method in methods.items()}
    best = floors.best_seconds(methods, 5, device)
    memory = {name: timing.peak_memory_bytes(method) / 1e6 for name, method in methods.items()} if device == "cpu" else {}
    rate, work = floors.matrix_rate(device), floors.network_work()
    rows = [
        {"method": name, "real-time ratio": seconds / t, "times eager": best["eager, whole"] / t,
         "share of the floor": seconds * work / rate / t, "error": errors[name], "memory (MB)": memory.get(name, float("nan"))}
        for name, t in best.items()
    ]  # fmt: skip
    floors.tell(
        "inference",
        rows,
        "real-time ratio",
        [
            f"{seconds:g} s of noise; floor: {work / 1e9:.1f} GMAC a second of audio, {rate / 1e9:,.0f} GMAC/s measured in float32",
            "error: the largest difference from the network in double precision; that of the eager one comes from PyTorch's linear "
            "upsampling, which computes its places in single precision",
        ],
    )


if __name__ == "__main__":
    main()
