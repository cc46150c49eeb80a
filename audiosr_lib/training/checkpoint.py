"""The folder of a training: its config, its checkpoints, and how a damaged checkpoint is replaced by the other one.

The folders of all trainings of a profile lie side by side. Each has a name made of what decides the training, so another corpus, seed
or config makes another folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.base.checkpoints import CheckpointError
from audiosr_lib.base.errors import StudyError, StudyWarning
from audiosr_lib.training.config import TrainingConfig


def directory_of(config: TrainingConfig, profile: str) -> Path:
    """Return the folder of a training: build/<profile>/trainings/<corpus>-seed<seed>-<hash of what decides it>.

    That of another network than the U-Net begins with the network's name.
    """
    digest = hashlib.sha256(json.dumps(config.decides(), sort_keys=True).encode()).hexdigest()[:8]
    network = "" if config.network == "unet" else f"{config.network}-"
    return paths.trainings(profile) / f"{network}{config.corpus}-seed{config.seed}-{digest}"


def seeds(config: TrainingConfig, profile: str) -> dict[int, Path]:
    """Return the best checkpoint of each finished training that has this config with any seed, by its seed."""
    found = {}
    for folder in checkpoints.trainings(profile):
        decides = files.read_json(folder / "config.json").get("decides", {})
        same = decides | {"seed": config.seed} == config.decides()
        if same and (folder / "finished.json").exists() and (folder / "best.pt").exists():
            found[decides["seed"]] = folder / "best.pt"
    return dict(sorted(found.items()))


def claim_directory(config: TrainingConfig, directory: Path) -> None:
    """Make a folder ready for a training, and mark it as the one that was used last.

    A damaged checkpoint is renamed to NAME.old. If it is last.pt, the training goes on from best.pt.

    Raises
    ------
    StudyError : the folder holds another training.
    CheckpointError : last.pt is damaged and best.pt cannot replace it.
    """
    mark = directory / "config.json"
    if mark.exists() and files.read_json(mark).get("decides") != config.decides():
        raise StudyError(f"{paths.shown(directory)} holds a training of another config: choose another folder, or move it away.")
    if not mark.exists():
        files.write_json(mark, {"decides": config.decides(), "config": asdict(config)})
    mark.touch()
    for leftover in directory.glob("*.part"):  # of a process that was killed
        leftover.unlink()
    _repair(config, directory)


def _repair(config: TrainingConfig, directory: Path) -> None:
    """Move aside the checkpoints that are damaged or belong to another training, and replace last.pt by best.pt."""
    last, best = directory / "last.pt", directory / "best.pt"
    problems = {}
    for file in (last, best):
        try:
            if TrainingConfig(**checkpoints.read(file)["config"]).decides() != config.decides():
                raise CheckpointError(f"{paths.shown(file)} belongs to another training")
        except (CheckpointError, TypeError) as problem:  # TypeError: the config of another version
            problems[file] = problem
    if last in problems and best not in problems:
        if last.exists():
            moved = files.move_aside(last).name
            warnings.warn(f"{problems[last]}. It is now {moved}; training goes on from best.pt.", StudyWarning, stacklevel=2)
        content = checkpoints.read(best)
        checkpoints.write(last, content, content["state"]["step"])
    elif last in problems and (last.exists() or best.exists()):
        raise CheckpointError(
            f"{problems[last]}, and best.pt cannot replace it. To delete this training and start it again: "
            f"{checkpoints.forgetting(directory)}"
        )
    elif best in problems and best.exists():
        moved = files.move_aside(best).name
        warnings.warn(f"{problems[best]}. It is now {moved}; last.pt counts as the best one.", StudyWarning, stacklevel=2)


def save_checkpoint(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: dict, config: TrainingConfig, commit: str
) -> None:
    """Write weights, optimiser, progress, config, seed and commit to a file."""
    content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "state": state}
    content |= {"config": asdict(config), "seed": config.seed, "commit": commit}
    checkpoints.write(file, content, state["step"])


def load_checkpoint(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict:
    """Return the progress of a checkpoint and restore model and optimiser in place; without a file, the progress of a new training."""
    if not file.exists():
        return {"step": 0, "seconds": 0.0, "best_loss": math.inf, "best_step": 0, "stopped_early": False}
    checkpoint = checkpoints.read(file)
    checkpoints.load_weights(model, checkpoint["model"], file)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["state"]


def forget(directory: Path) -> None:
    """Delete a training. It is moved out of the trainings first, so an interruption does not leave a part of it there.

    Raises
    ------
    Busy : the training runs.
    """
    going = directory.parents[1] / f"{directory.name}.forgotten"
    shutil.rmtree(going, ignore_errors=True)
    with files.only_one(directory / "lock", paths.shown(directory)):
        directory.rename(going)
    shutil.rmtree(going)
