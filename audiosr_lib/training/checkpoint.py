"""The folder of a training: its config and its checkpoints, each written as a whole or not at all."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from audiosr_lib.base import files
from audiosr_lib.training.config import TrainingConfig


def claim_directory(config: TrainingConfig, directory: Path) -> None:
    """Make a folder ready for a training.

    A training of the same config is resumed. A training of another config is renamed to NAME.old, NAME.old-2 and so on, never deleted.
    """
    mark, decides = directory / "config.json", config.decides()
    if mark.exists() and files.read_json(mark).get("decides") != decides:
        files.move_aside(directory)
    if not mark.exists():
        files.write_json(mark, {"decides": decides, "config": asdict(config)})


def save_checkpoint(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict, config: TrainingConfig, commit: str
) -> None:
    """Write weights, optimiser, progress, config, seed and commit to a file."""
    content = {"model": model.state_dict(), "optimizer": None if optimizer is None else optimizer.state_dict(), "state": state}
    content |= {"config": asdict(config), "seed": config.seed, "commit": commit}
    with files.atomic_write(file) as path:
        torch.save(content, path)


def load_checkpoint(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict:
    """Return the progress of a checkpoint and restore model and optimiser in place; without a file, the progress of a new training."""
    if not file.exists():
        return {"step": 0, "seconds": 0.0, "best_loss": math.inf, "best_step": 0, "stopped_early": False}
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["state"]
