"""A training step: the plain loop and each switch. ``python benchmarks/training_speed.py [cpu|cuda] [batch] [crop seconds]``"""

from __future__ import annotations

import sys

import floors
import torch
from floors import device_argument

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.inference import timing
from audiosr_lib.losses import Objective
from audiosr_lib.training import loop

SWITCHES = {
    "plain loop": {},
    "fused Adam": {"fused": True},
    "fused, compiled": {"fused": True, "compiled": True},
}


def stepper(x, y, fused=False, compiled=False):
    """A function that makes one training step."""
    model = loop.new_model(0).to(x.device).train()
    objective = Objective().to(x.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-5, fused=fused or None)
    stepped = torch.compile(model) if compiled else model
    return lambda: loop.train_step(stepped, objective, optimizer, x, y, 10.0)


def main() -> None:
    device = device_argument()
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else (16 if device == "cuda" else 4)
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 2.0
    chosen = SWITCHES if device == "cuda" else {k: v for k, v in SWITCHES.items() if not v.get("compiled")}
    y = 0.1 * torch.randn(batch, 1, round(seconds * SR_HIGH / 2) * 2, generator=torch.Generator().manual_seed(0))
    x, y = (0.9 * y).to(device), y.to(device)
    times, memory = {}, {}
    for name, switches in chosen.items():  # one after the other: each keeps weights, gradients and Adam's averages
        step = stepper(x, y, **switches)
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        else:
            memory[name] = timing.peak_memory_bytes(step) / 1e9
        times[name] = floors.best_seconds({"": step}, 10 if device == "cuda" else 2, device)[""]
        if device == "cuda":
            memory[name] = torch.cuda.max_memory_allocated() / 1e9
        del step
    rate, copy, work = floors.matrix_rate(device), floors.memory_rate(device), 3 * floors.network_work()
    audio = batch * seconds
    rows = [{"step": name, "audio seconds a second": audio / t, "times plain": times["plain loop"] / t,
             "share of the floor": audio * work / rate / t, "memory (GB)": memory[name]} for name, t in times.items()]  # fmt: skip
    note = f"batch of {batch} crops of {seconds:g} s; floor: {work / 1e9:.1f} GMAC a second of audio, "
    note += f"{rate / 1e9:,.0f} GMAC/s measured in float32; copies {copy / 1e9:.0f} GB/s"
    floors.tell("training", rows, "audio seconds a second", [note])


if __name__ == "__main__":
    main()
