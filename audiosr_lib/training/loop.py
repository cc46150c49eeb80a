"""Training a network (coursework sections 2.5 and 2.6): a plain loop that can be interrupted and resumed.

A batch depends only on (seed, step), so a checkpoint needs no state of a random generator: on the CPU, a resumed training ends
with the same bits as an uninterrupted one. Notebook 08.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import dataset
from audiosr_lib.data.dataset import Crops, PairedSplit
from audiosr_lib.data.download import require_space
from audiosr_lib.training import distributed
from audiosr_lib.training.batches import make_batches
from audiosr_lib.training.checkpoint import claim_directory, load_checkpoint, save_checkpoint
from audiosr_lib.training.config import TrainingConfig, TrainingResult
from audiosr_lib.training.log import Log
from audiosr_lib.training.networks import NETWORKS, new_model
from audiosr_lib.training.variation import VariedBatches, plain_inputs

CHECKPOINT_SECONDS = 120.0  # longest time between checkpoints, besides the steps of the config


class ApartError(StudyError):
    """The processes of one training found different checkpoints."""


class TrainingDiverged(StudyError):
    """The loss or its gradient is not finite."""


def train_step(
    model: nn.Module,
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip_norm: float,
    edge_hz: Tensor | None = None,
) -> Tensor:
    """Do one step of section 2.5 and return the losses, four for the U-Net, and the gradient norm before clipping, ``(5,)``.

    The results stay on the device of x, so a GPU need not wait. If the step is not finite, neither are they.

    Parameters
    ----------
    model : the network.
    objective : its loss.
    optimizer : of its weights, Adam for the U-Net.
    x : inputs, ``(B, 1, T)``.
    y : targets, ``(B, 1, T)``.
    clip_norm : largest norm of the gradient.
    edge_hz : edges of the targets, ``(B,)``, above which the spectral losses ignore differences.
    """
    optimizer.zero_grad(set_to_none=True)
    terms = objective(model(x), y, edge_hz)
    terms.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return torch.stack([*(term.detach() for term in terms.as_dict().values()), norm])


@torch.no_grad()
def validate(
    model: nn.Module, objective: nn.Module, x: Tensor, y: Tensor, batch_size: int, edge_hz: Tensor | None = None
) -> dict[str, float]:
    """Return the mean of each loss over fixed crops ``(N, 1, T)``, with batch norm in evaluation mode.

    The total uses the MSE weight of the training. (The coursework's program validates with weight 1; notebook 09 shows that, too.)
    With `edge_hz`, ``(N,)``, the spectral losses ignore what is above the edges of the targets.
    """
    was_training = model.training
    model.eval()
    sums = dict.fromkeys(objective.names, 0.0)
    edges = [None] * -(-len(x) // batch_size) if edge_hz is None else edge_hz.split(batch_size)
    for part_x, part_y, part_edge in zip(x.split(batch_size), y.split(batch_size), edges, strict=True):
        for name, term in objective(model(part_x), part_y, part_edge).as_dict().items():
            sums[name] += term.item() * len(part_x)
    model.train(was_training)
    return {name: total / len(x) for name, total in sums.items()}


def train(
    config: TrainingConfig,
    directory: Path,
    *,
    device: str = "cpu",
    commit: str = "unknown",
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    stop_after: int | None = None,
    minutes: float | None = None,
) -> TrainingResult:
    """Start or resume a training and return its progress.

    In a group of processes (`distributed.join`) every process calls this alike; the process of rank 0 validates, logs and saves.

    Parameters
    ----------
    config : what to compute.
    directory : log and checkpoints, see `checkpoint.directory_of`.
    device : "cpu" or "cuda".
    commit : stored in the checkpoint.
    on_step : called with each step and its losses when they are read.
    stop_after : stop after this many steps of this call; the next call resumes.
    minutes : stop after this time; the next call resumes.

    Raises
    ------
    TrainingDiverged : a loss or gradient is not finite. The last checkpoint is kept.
    ApartError : the processes found different checkpoints.
    Busy : another process trains in this folder.
    CheckpointError : both checkpoints are damaged.
    StudyError : the folder holds another training.
    DownloadError : the disk does not have the space for the checkpoints.
    """
    leads = distributed.rank_and_world()[0] == 0
    with files.only_one(directory / "lock", paths.shown(directory)) if leads else nullcontext():
        return _train(Trainer(config, directory, device, commit, on_step), stop_after, minutes)


def _train(trainer: Trainer, stop_after: int | None, minutes: float | None) -> TrainingResult:
    """Do the steps of `train`."""
    config, state = trainer.config, trainer.state
    with trainer.log:
        if trainer.first == 0:
            trainer.measure()
        trainer.read_at = time.perf_counter()
        while state["step"] < config.steps and not state["stopped_early"]:
            trainer.step()
            last = state["step"] == config.steps
            validates = state["step"] % config.validate_every == 0 or last
            saves = state["step"] % config.checkpoint_every == 0 or last
            ends = stop_after is not None and state["step"] - trainer.first >= stop_after
            if validates or saves or ends or state["step"] % config.log_every == 0:
                trainer.read()
                saves = saves or trainer.passed(CHECKPOINT_SECONDS, since=trainer.saved_at)
                ends = ends or (minutes is not None and trainer.passed(60 * minutes, since=trainer.started))
            if validates:
                trainer.validate()
            if saves or ends or state["stopped_early"]:
                trainer.save()
            if ends:
                break
    return trainer.result()


class Trainer:
    """The state of one call of `train`: crops, network, optimiser, progress, and the results of steps not yet read."""

    def __init__(self, config: TrainingConfig, directory: Path, device: str, commit: str, on_step: Callable | None) -> None:
        self.started = time.perf_counter()
        self.config, self.directory, self.device, self.commit, self.on_step = config, directory, device, commit, on_step
        rank, world = distributed.rank_and_world()
        self.leads = rank == 0
        if self.leads:
            claim_directory(config, directory)
        distributed.barrier()
        train_split, validation_split = (PairedSplit(config.corpus, s) for s in ("train", "validation"))
        crops = Crops(train_split, config.batch_size, config.crop_length, config.seed, (rank, world), config.floor_db)
        self.kind = NETWORKS[config.network]
        self.batches = make_batches(crops, device, config.data_on_device)
        if self.kind.varied:
            self.batches = VariedBatches(self.batches)
        fixed = dataset.fixed_crops(validation_split, config.validation_crops, config.crop_length)
        self.edges_val = None  # with them, the spectral losses are masked
        if config.masked:
            places = dataset.fixed_places(validation_split, config.validation_crops, config.crop_length)
            self.edges_val = self.as_tensor([validation_split.utterances[i].edge_hz for i, _ in places])
        self.x_val, self.y_val = (torch.from_numpy(side).to(device) for side in fixed)
        if self.kind.varied:
            self.x_val = plain_inputs(self.y_val)
        self.model = new_model(config.seed, lambda: self.kind.make(config)).to(device).train()
        self.objective = self.kind.objective(config).to(device)
        self.optimizer = self.kind.optimizer(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=config.fused or None
        )
        self.state = load_checkpoint(directory / "last.pt", self.model, self.optimizer)
        self.first, self.begun = self.state["step"], self.state["seconds"]
        if self.first < config.steps and not self.state["stopped_early"]:
            size = 12 * sum(p.numel() for p in self.model.parameters())  # of a checkpoint: three floats for each parameter
            require_space(directory, size if self.first else 3 * size, "training")  # last.pt, best.pt, and the one that is being written
        if (of_rank0 := distributed.broadcast_from_rank0(self.first, device)) != self.first:
            raise ApartError(
                f"The processes found different checkpoints in {directory.name}: step {self.first} here, step {of_rank0:g} in rank 0. "
                "Let all machines share the project's folder, or copy build/<profile>/trainings to each before they start."
            )
        self.scored = self.kind.trained(self.model)
        self.stepped = distributed.data_parallel(self.scored)
        if config.compiled:
            torch._dynamo.config.suppress_errors = True  # without a C compiler PyTorch warns and does not compile
            self.stepped = torch.compile(self.stepped, backend=config.compiled)
        self.log = Log(directory, self.first, self.objective.names, write=self.leads)
        if self.leads and self.state["best_step"] and not (directory / "best.pt").exists():  # lost: the last checkpoint takes its place
            self.state["best_loss"] = math.inf
            self.keep_if_best(self.validation_losses()["loss"])
        self.unread: list[Tensor] = []
        self.read_at = self.saved_at = time.perf_counter()

    def as_tensor(self, hz: Iterable[float]) -> Tensor:
        """Return frequencies in Hz as a tensor on the device."""
        return torch.tensor(list(hz), dtype=torch.float32, device=self.device)

    def step(self) -> None:
        """Do one training step and keep its results on the device."""
        config, at = self.config, self.state["step"]
        x, y = self.batches(at)
        edge_hz = self.as_tensor(self.batches.crops.edges_hz(at)) if config.masked else None
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * self.kind.share(at, config.steps)
        self.unread.append(train_step(self.stepped, self.objective, self.optimizer, x, y, config.clip_norm, edge_hz))
        self.state["step"] += 1

    def read(self) -> None:
        """Read, check and log the results of the steps since the last reading."""
        rows, now = distributed.all_reduce_mean(torch.stack(self.unread)).tolist(), time.perf_counter()
        begin, each = self.state["step"] - len(rows), (now - self.read_at) / len(rows)
        for step, (*losses, norm) in enumerate(rows, begin + 1):
            if not all(map(math.isfinite, (*losses, norm))):
                raise TrainingDiverged(
                    f"The loss or its gradient is not a finite number at step {step}. {self.directory.name} keeps an earlier checkpoint. "
                    "Look for extreme values in the recordings, try another --seed, or lower the learning_rate "
                    f"({self.config.learning_rate}) in audiosr_lib/base/profiles.py."
                )
            self.state["seconds"] += each
            row = dict(zip(self.objective.names, losses, strict=True))
            self.log.train(step, self.state["seconds"], norm, row)
            if self.on_step is not None:
                self.on_step(step, row)
        self.unread.clear()
        self.read_at = now

    def passed(self, seconds: float, since: float) -> bool:
        """Return whether this time has passed by the clock of rank 0, so that all processes decide alike."""
        return bool(distributed.broadcast_from_rank0(time.perf_counter() - since >= seconds, self.device))

    def validation_losses(self) -> dict[str, float]:
        """Return the losses over the fixed crops of the validation split."""
        return validate(self.scored, self.objective, self.x_val, self.y_val, self.config.batch_size, self.edges_val)

    def measure(self) -> float:
        """Log the losses over the validation crops and return the total; infinity in processes other than rank 0."""
        if not self.leads:
            return math.inf
        losses = self.validation_losses()
        self.log.validation(self.state["step"], self.state["seconds"], losses)
        return losses["loss"]

    def validate(self) -> None:
        """Measure, save the weights if they are the best so far, and check whether patience has run out."""
        state, config = self.state, self.config
        self.keep_if_best(self.measure())
        periods, rest = divmod(state["step"], config.validate_every)
        if config.snapshots and self.leads and rest == 0 and periods.bit_count() == 1:  # a power of two
            checkpoints.write_weights(self.directory / "snapshots" / f"step-{state['step']:06d}.safetensors", self.model.state_dict())
        state["best_step"] = int(distributed.broadcast_from_rank0(state["best_step"], self.device))
        waited = (state["step"] - state["best_step"]) // config.validate_every
        state["stopped_early"] = config.patience is not None and waited >= config.patience
        self.read_at = time.perf_counter()  # the time of training leaves validation out

    def keep_if_best(self, loss: float) -> None:
        """Save best.pt if this loss is the lowest so far. Like last.pt, it holds all that a training needs to go on."""
        if loss < self.state["best_loss"]:
            self.log.flush()
            self.state |= {"best_loss": loss, "best_step": self.state["step"]}
            save_checkpoint(self.directory / "best.pt", self.model, self.optimizer, self.state, self.config, self.commit)

    def save(self) -> None:
        """Write the log to the disk, then the checkpoint that belongs to it."""
        self.log.flush()
        if self.leads:
            save_checkpoint(self.directory / "last.pt", self.model, self.optimizer, self.state, self.config, self.commit)
        self.read_at = self.saved_at = time.perf_counter()  # the time of training leaves saving out, too

    def result(self) -> TrainingResult:
        """Return the progress of the training, and write finished.json if it is finished."""
        progress = {name: self.state[name] for name in ("step", "best_step", "stopped_early")}
        ran, seconds = self.state["step"] - self.first, self.state["seconds"]
        result = TrainingResult(self.directory, self.config, **progress, seconds=seconds, ran_steps=ran, piece_seconds=seconds - self.begun)
        if self.leads and result.finished:
            files.write_json(self.directory / "finished.json", progress)
        distributed.barrier()
        return result
