"""Where the time goes: operations by their share of a training step and of inference. ``python benchmarks/hot_spots.py [cpu|cuda]``"""

from __future__ import annotations

import floors
import torch
from floors import device_argument, wait
from torch.profiler import ProfilerActivity, profile
from training_speed import stepper

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.inference import chunks
from audiosr_lib.inference.deployed import Deployed

SHOWN = 5  # operations of each job, the rest as one line


def shares(job, device: str) -> list[tuple[str, float, int]]:
    """(operation, share of the time spent in operations, calls) of a job, the longest first; on a GPU the time of its kernels."""
    job()
    wait(device)
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]) as seen:
        job()
        wait(device)
    of = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    spent = sorted(((getattr(e, of), e.key, e.count) for e in seen.key_averages()), reverse=True)
    whole = sum(t for t, _, _ in spent)
    first = [(name, t / whole, count) for t, name, count in spent[:SHOWN]]
    return [*first, ("all others", sum(t for t, _, _ in spent[SHOWN:]) / whole, sum(n for _, _, n in spent[SHOWN:]))]


def main() -> None:
    device = device_argument()
    batch, seconds = (16, 2.0) if device == "cuda" else (4, 2.0)
    y = (0.1 * torch.randn(batch, 1, round(seconds * SR_HIGH / 2) * 2, generator=torch.Generator().manual_seed(0))).to(device)
    model, x = floors.used_unet().to(device), y[0, 0].cpu().numpy()
    precise, half = Deployed(model), Deployed(model, torch.bfloat16)
    jobs = {
        "training, plain": stepper(0.9 * y, y),
        "inference, float32": lambda: chunks.enhance_long(precise, x),
        "inference, bfloat16": lambda: chunks.enhance_long(half, x),
    }
    rows = [
        {"job and operation": f"{name}: {operation.removeprefix('aten::')[:60]}", "share (%)": 100 * share, "calls": count}
        for name, job in jobs.items()
        for operation, share, count in shares(job, device)
    ]
    note = f"one step of {batch} crops of {seconds:g} s, or {seconds:g} s enhanced; shares of the time spent in operations themselves"
    floors.tell("hot_spots", rows, "share (%)", [note])


if __name__ == "__main__":
    main()
