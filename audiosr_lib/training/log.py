"""The log of a training: two CSV files, TensorBoard scalars with the coursework's tags, and curves smoothed as in TensorBoard."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.light import EnvelopeLoss
from audiosr_lib.losses import LOSS_NAMES

FIELDS = {"train": ("step", "seconds", "grad_norm"), "validation": ("step", "seconds")}  # then the losses, the total first
HEADERS = [(*fields, *losses) for fields in FIELDS.values() for losses in (LOSS_NAMES, EnvelopeLoss.names)]


class Log:
    """The open files train.csv and validation.csv and a TensorBoard writer.

    Opening drops the rows after the checkpoint's step.

    Parameters
    ----------
    directory : folder of the files.
    step : of the checkpoint.
    names : of the losses.
    write : with False nothing is written: one of several processes writes.
    """

    def __init__(self, directory: Path, step: int, names: tuple[str, ...] = LOSS_NAMES, write: bool = True) -> None:
        self.directory, self.step, self.active = directory, step, write
        self.fields = {name: (*first, *names) for name, first in FIELDS.items()}
        self._outputs = {}

    def __enter__(self) -> Log:
        if not self.active:
            return self
        from torch.utils.tensorboard import SummaryWriter

        for name, fields in self.fields.items():
            file = self.directory / f"{name}.csv"
            kept = [row for row in read_log(file) if row["step"] <= self.step and self.step > 0]
            with files.atomic_write(file) as path:
                pd.DataFrame(kept, columns=fields).map(_number).to_csv(path, index=False, lineterminator="\r\n")
            self._outputs[name] = open(file, "a", newline="", encoding="utf-8")
        self._outputs["tensorboard"] = SummaryWriter(str(self.directory / "tensorboard"), purge_step=self.step + 1)
        return self

    def _write(self, name: str, row: dict[str, float], losses: dict[str, float]) -> None:
        if not self.active:
            return
        row = row | losses
        self._outputs[name].write(",".join(_number(row[field]) for field in self.fields[name]) + "\r\n")
        for tag, value in losses.items():
            self._outputs["tensorboard"].add_scalar(f"{name}/{tag}", value, global_step=row["step"])

    def train(self, step: int, seconds: float, grad_norm: float, losses: dict[str, float]) -> None:
        """Log the losses of a training step."""
        self._write("train", {"step": step, "seconds": round(seconds, 3), "grad_norm": grad_norm}, losses)

    def validation(self, step: int, seconds: float, losses: dict[str, float]) -> None:
        """Log the losses of a validation."""
        self._write("validation", {"step": step, "seconds": round(seconds, 3)}, losses)

    def flush(self) -> None:
        """Write everything logged so far to the disk."""
        for output in self._outputs.values():
            output.flush()

    def __exit__(self, *_: object) -> None:
        for output in self._outputs.values():
            output.close()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.9g}"


def read_log(file: Path) -> list[dict[str, float]]:
    """Return the complete rows of train.csv or validation.csv as numbers; an empty list if the file does not exist.

    Raises DamagedFile if the file has another header.
    """
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = text[: text.rfind("\n") + 1]  # an interruption can cut the last line
    if lines and tuple(lines.splitlines()[0].split(",")) not in HEADERS:
        raise files.DamagedFile(
            f"{paths.shown(file)} is damaged: its first line is not the header of a log. Put a copy of it back, or delete the training: "
            f"{checkpoints.forgetting(file.parent)}"
        )
    rows = pd.read_csv(io.StringIO(lines), on_bad_lines="skip") if lines else pd.DataFrame()
    return rows.apply(pd.to_numeric, errors="coerce").dropna().astype(float).to_dict("records")


def smooth(values: np.ndarray, weight: float = 0.9) -> np.ndarray:
    """Return the bias-corrected exponential moving average of TensorBoard, ``(n,) -> (n,)``; weight in [0, 1)."""
    return pd.Series(values).ewm(alpha=1 - weight).mean().to_numpy()
