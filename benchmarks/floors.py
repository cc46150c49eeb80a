"""What this machine can do at best, measured in the same run, and tables and plots of what was timed.

A benchmark times its methods in turn, several rounds, and takes the best round of each. Speeds are given beside a floor: the time that
the arithmetic alone takes at the measured rate of a matrix product, or the bytes alone at the measured rate of a copy.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audiosr_lib import unet
from audiosr_lib.base import checkpoints, files, paths, provenance
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.device import device_for
from audiosr_lib.inference import systems
from audiosr_lib.training import loop

FOLDER = paths.home() / "build" / "benchmarks"
COMMIT = provenance.git_commit()  # before anything runs: a run of half an hour may be overtaken


def wait(device: str) -> None:
    """Until the device has done everything it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def best_seconds(methods: dict[str, Callable[[], object]], rounds: int, device: str = "cpu") -> dict[str, float]:
    """Best time of each method over `rounds`, all of them in turn; the first call of each is not counted."""
    for method in methods.values():
        method()
    best = dict.fromkeys(methods, float("inf"))
    for _ in range(rounds):
        for name, method in methods.items():
            wait(device)
            started = time.perf_counter()
            method()
            wait(device)
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def matrix_rate(device: str, dtype: torch.dtype = torch.float32, size: int = 0) -> float:
    """Multiply-accumulates a second of a square matrix product, the best of five."""
    size = size or (8192 if device == "cuda" else 1536)
    a = torch.randn(size, size, device=device).to(dtype)
    return size**3 / best_seconds({"": lambda: a @ a}, 5, device)[""]


def memory_rate(device: str) -> float:
    """Bytes a second of a copy that fits into no cache, read and written counted, the best of five."""
    a = torch.ones(1 << 27 if device == "cuda" else 1 << 25, device=device)
    b = torch.empty_like(a)
    return 2 * a.numel() * a.element_size() / best_seconds({"": lambda: b.copy_(a)}, 5, device)[""]


def network_work() -> float:
    """Multiply-accumulates of the U-Net for a second of audio, forward."""
    return systems.multiply_accumulates(loop.new_model(0).eval(), SR_HIGH)


def used_unet() -> unet.UNet:
    """The network of the quick run if there is one, else an untrained one: speed does not depend on it."""
    file = checkpoints.network("quick")
    return systems.load_model(file) if file else loop.new_model(0).eval()


def device_argument() -> str:
    """The device that the command line names, else CUDA where there is a GPU."""
    device = sys.argv[1] if len(sys.argv) > 1 else "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise SystemExit(f"no device {device!r}: give cpu or cuda")
    return device_for(device)


def tell(name: str, rows: list[dict], column: str, notes: list[str]) -> None:
    """Print a table, and save it beside a bar chart of one column as build/benchmarks/NAME.md, .csv and .png."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    table = pd.DataFrame(rows)
    described = provenance.device_description()
    about = described.get("gpu") or described["cpu"]
    notes.append(f"{about}, {torch.get_num_threads()} threads, PyTorch {torch.__version__.partition('+')[0]}, commit {COMMIT}")
    text = table.to_markdown(index=False, floatfmt=",.3g") + "\n\n" + "\n".join(f"- {note}" for note in notes) + "\n"
    print(f"\n{text}", flush=True)
    files.write_text(FOLDER / f"{name}.md", text)
    files.write_text(FOLDER / f"{name}.csv", table.to_csv(index=False))
    fig, ax = plt.subplots(figsize=(7, 0.5 + 0.38 * len(table)), layout="constrained")
    bars = ax.barh(table.iloc[:, 0], table[column], color="#0072B2")
    ax.bar_label(bars, [f"{v:,.3g}" for v in table[column]], padding=3)
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set(xlabel=column, title=about)
    with files.atomic_write(FOLDER / f"{name}.png") as path:
        fig.savefig(path, dpi=110, format="png")
    print(f"{os.path.relpath(FOLDER / name)}.md, .csv, .png")
