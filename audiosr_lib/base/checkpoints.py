"""Checkpoint files of PyTorch, each with a checksum beside it (NAME.pt and NAME.json), and the folders of the trainings that hold them."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import StudyError

REMEMBERED = 3  # checksums in NAME.json: that of the file, and earlier ones, because two files cannot be replaced at the same moment


class CheckpointError(StudyError):
    """A checkpoint is damaged or belongs to something else."""


def write(file: Path, content: dict, step: int) -> None:
    """Write a checkpoint, and its checksum and step beside it."""
    import torch

    buffer, earlier = io.BytesIO(), []
    torch.save(content, buffer)
    beside = file.with_suffix(".json")
    with suppress(files.DamagedFile):
        earlier = _sums(beside)
    sums = [hashlib.sha256(buffer.getbuffer()).hexdigest(), *earlier][:REMEMBERED]
    with files.atomic_write(file) as path:
        path.write_bytes(buffer.getbuffer())
        files.write_json(beside, {"step": step, "sha256": sums})


def read(file: Path) -> dict:
    """Return the content of a checkpoint, with its tensors on the CPU.

    Raises
    ------
    CheckpointError : the file is missing, its checksum is wrong, or it is not a checkpoint of this study.
    """
    import torch

    if not file.exists():
        raise CheckpointError(f"{paths.shown(file)} is missing")
    try:
        data, sums = file.read_bytes(), _sums(file.with_suffix(".json"))
    except files.DamagedFile as error:
        raise CheckpointError(f"{paths.shown(file)} has no valid checksum: {file.stem}.json is damaged") from error
    if sums and hashlib.sha256(data).hexdigest() not in sums:
        raise CheckpointError(f"{paths.shown(file)} is damaged: its checksum is not the one of {file.stem}.json")
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises errors of many kinds for bytes that are not its own
        raise CheckpointError(f"{paths.shown(file)} is damaged or not a checkpoint of PyTorch ({type(error).__name__})") from error
    if not (isinstance(content, dict) and {"model", "optimizer", "state", "config"} <= content.keys()):
        raise CheckpointError(f"{paths.shown(file)} is not a checkpoint of this study")
    return content


def write_weights(file: Path, weights: dict) -> None:
    """Write the weights of a network as a .safetensors file, which runs no code when it is read. Convolutions are in half precision.

    The other tensors, those of the batch norms, keep their type: a variance may be smaller than the smallest normal number in half
    precision, 6e-5.
    """
    from safetensors.torch import save

    with files.atomic_write(file) as path:
        path.write_bytes(save({k: v.half() if v.ndim > 1 else v for k, v in weights.items()}))


def read_weights(file: Path) -> dict:
    """Return the weights that `write_weights` wrote, in single precision.

    Raises
    ------
    CheckpointError : the file is missing or damaged, or its checksum is not the "sha256" of the .json file of its name, if there is one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = file.with_suffix(".json")
    if not file.exists():
        raise CheckpointError(f"{paths.shown(file)} is missing")
    if card.exists() and files.sha256_of(file) != files.read_json(card, "sha256")["sha256"]:
        raise CheckpointError(f"{paths.shown(file)} is damaged: its checksum is not the one of {card.name}")
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise CheckpointError(f"{paths.shown(file)} is damaged or not a safetensors file: {error}") from error
    return {k: v.float() if v.is_floating_point() else v for k, v in weights.items()}


def load_weights(model, weights: dict, file: Path) -> None:
    """Copy the weights that were read from `file` into a network. Raises CheckpointError if they belong to another network."""
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{paths.shown(file)} holds the weights of another network: {reason}") from error


def trainings(profile: str) -> list[Path]:
    """Return the folders of all trainings of a profile, the one used last first."""
    marks = paths.trainings(profile).glob("*/config.json")
    return [mark.parent for mark in sorted(marks, key=lambda m: m.stat().st_mtime, reverse=True)]


def network(profile: str, kind: str = "unet") -> Path | None:
    """Return the best checkpoint of the training of a kind of network that was used last; None if there is none."""
    for folder in trainings(profile):
        trained = files.read_json(folder / "config.json").get("config", {}).get("network", "unet")
        if trained == kind and (folder / "best.pt").exists():
            return folder / "best.pt"
    return None


def progress(directory: Path) -> str:
    """Return how far a training is, such as "step 60 of 150", or "damaged"."""
    saved = directory / "last.json"
    try:
        steps = files.read_json(directory / "config.json", "config")["config"]["steps"]
        return f"step {files.read_json(saved, 'step')['step'] if saved.exists() else 0} of {steps}"
    except (files.DamagedFile, KeyError, TypeError):
        return "damaged"


def saved_since(profile: str, started: float) -> str:
    """Return the progress of the training that was used last if it was saved after `started`, a time.time(); otherwise ""."""
    for directory in trainings(profile)[:1]:
        saved = directory / "last.json"
        if saved.exists() and saved.stat().st_mtime >= started:
            return f"the training up to {progress(directory)}"
    return ""


def forgetting(directory: Path) -> str:
    """Return the command that deletes a training of build/<profile>/trainings."""
    return f"./run_all.sh --profile {directory.parents[1].name} --forget {directory.name}"


def _sums(beside: Path) -> list[str]:
    return files.read_json(beside, "sha256")["sha256"] if beside.exists() else []
