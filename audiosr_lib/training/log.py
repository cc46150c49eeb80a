"""The log of a training: two CSV files, TensorBoard scalars with the coursework's tags, and curves smoothed as TensorBoard draws them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from audiosr_lib.base import files
from audiosr_lib.losses import LOSS_NAMES

TRAIN_FIELDS = ("step", "seconds", "grad_norm", *LOSS_NAMES)
VALIDATION_FIELDS = ("step", "seconds", *LOSS_NAMES)


class Log:
    """train.csv, validation.csv and TensorBoard scalars; rows after the checkpoint's step are dropped when it is opened.

    With write=False it does nothing: of several processes one writes.
    """

    def __init__(self, directory: Path, step: int, write: bool = True) -> None:
        self.directory, self.step, self.active = directory, step, write

    def __enter__(self) -> Log:
        if not self.active:
            return self
        from torch.utils.tensorboard import SummaryWriter

        self._files, self._writers = {}, {}
        for name, fields in (("train", TRAIN_FIELDS), ("validation", VALIDATION_FIELDS)):
            file = self.directory / f"{name}.csv"
            kept = [r for r in read_log(file) if r["step"] <= self.step and self.step > 0]
            with files.atomic_write(file) as path, open(path, "w", newline="", encoding="utf-8") as f:
                writer = csv.DictWriter(f, fields)
                writer.writeheader()
                writer.writerows({k: _number(v) for k, v in r.items()} for r in kept)
            self._files[name] = open(file, "a", newline="", encoding="utf-8")
            self._writers[name] = csv.DictWriter(self._files[name], fields)
        self._board = SummaryWriter(str(self.directory / "tensorboard"), purge_step=self.step + 1)
        return self

    def _write(self, name: str, row: dict, values: dict[str, float]) -> None:
        if not self.active:
            return
        self._writers[name].writerow({k: _number(v) for k, v in (row | values).items()})
        for tag, value in values.items():
            self._board.add_scalar(f"{name}/{tag}", value, global_step=row["step"])

    def train(self, step: int, seconds: float, grad_norm: float, values: dict[str, float]) -> None:
        self._write("train", {"step": step, "seconds": round(seconds, 3), "grad_norm": grad_norm}, values)

    def validation(self, step: int, seconds: float, values: dict[str, float]) -> None:
        self._write("validation", {"step": step, "seconds": round(seconds, 3)}, values)

    def flush(self) -> None:
        if not self.active:
            return
        for f in self._files.values():
            f.flush()
        self._board.flush()

    def __exit__(self, *_: object) -> None:
        if not self.active:
            return
        for f in self._files.values():
            f.close()
        self._board.close()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.9g}"


def read_log(file: Path) -> list[dict[str, float]]:
    """Rows of train.csv or validation.csv as numbers; empty if there is no such file."""
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as f:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(f) if None not in row.values()]


def smooth(values: np.ndarray, weight: float = 0.9) -> np.ndarray:
    """Return the exponential moving average that TensorBoard draws, bias-corrected, ``(n,) -> (n,)``; weight in [0, 1)."""
    return pd.Series(values).ewm(alpha=1 - weight).mean().to_numpy()
