"""Training the U-Net (coursework sections 2.5 and 2.6): a plain loop that can be cut and goes on.

Each step: a batch of crops, the objective, its gradient clipped to norm 10, one step of Adam. Every so many steps
the same validation crops are measured with the network in evaluation mode, and the best weights are kept. The log is a CSV file
(and TensorBoard scalars with the coursework's tags), the checkpoint one file replaced in one move.

A batch depends on (seed, step) alone, so a checkpoint needs no state of a random generator: on the CPU a training in pieces ends
with the very bits of an uninterrupted one. Notebook 08.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from audiosr_lib.base import files
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import dataset
from audiosr_lib.data.dataset import Crops, PairedSplit
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.training import distributed
from audiosr_lib.training.batches import make_batches
from audiosr_lib.training.checkpoint import claim_directory, load_checkpoint, save_checkpoint
from audiosr_lib.training.config import TrainingConfig, TrainingResult
from audiosr_lib.training.log import Log
from audiosr_lib.unet import UNet

CHECKPOINT_SECONDS = 120.0  # a checkpoint at least so often, besides those that the config asks for

OnStep = Callable[[int, dict[str, float]], None]


class ApartError(StudyError):
    """The processes of one training found different checkpoints."""


class TrainingDiverged(StudyError):
    """The loss is not a finite number any more."""


def new_model(seed: int) -> UNet:
    """Return a U-Net with PyTorch's default initialisation, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet()


def train_step(
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    clip_norm: float,
    autocast: str = "",
) -> Tensor:
    """Do one step of section 2.5 and return the four losses and the gradient norm before clipping, ``(5,)``, on the device of x.

    Nothing is read from the device here, so a GPU is not held up. A step that is not finite shows in its results.

    Parameters
    ----------
    model, objective, optimizer : the network, its loss and Adam.
    x, y : inputs and targets, ``(B, 1, T)``.
    clip_norm : largest norm of the gradient.
    autocast : floating type in which the network is computed, "bfloat16"; "" for that of its weights. The losses stay in that of y.
    """
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast(x.device.type, getattr(torch, autocast or "bfloat16"), enabled=bool(autocast)):
        y_hat = model(x)
    terms = objective(y_hat.to(y.dtype), y)
    terms.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return torch.stack([*(term.detach() for term in terms.as_dict().values()), norm])


@torch.no_grad()
def validate(model: nn.Module, objective: Objective, x: Tensor, y: Tensor, batch_size: int) -> dict[str, float]:
    """Return the mean of the four losses over fixed crops ``(N, 1, T)``, with batch norm in evaluation mode.

    The total uses the MSE weight of the training, so that the two figures show one quantity. (The coursework's program validates
    with weight 1; notebook 09 shows that total, too.)
    """
    was_training = model.training
    model.eval()
    sums = dict.fromkeys(LOSS_NAMES, 0.0)
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        terms = objective(model(x[part]), y[part])
        for name, term in terms.as_dict().items():
            sums[name] += term.item() * len(x[part])
    model.train(was_training)
    return {name: total / len(x) for name, total in sums.items()}


def train(
    config: TrainingConfig,
    directory: Path,
    *,
    device: str = "cpu",
    commit: str = "unknown",
    on_step: OnStep | None = None,
    stop_after: int | None = None,
    minutes: float | None = None,
) -> TrainingResult:
    """Train, or go on training, and return where the training stands.

    In a group of processes (`distributed.join`) each calls this alike; the process of rank 0 validates, logs and saves.

    Parameters
    ----------
    config : what to compute.
    directory : log and checkpoints. A training of another config that lies there is renamed to NAME.old.
    device : "cpu" or "cuda".
    commit : noted in the checkpoint.
    on_step : called with the step and its losses when they are read, for progress.
    stop_after : end after so many steps of this call; `minutes` : after so long. The next call goes on.

    Raises
    ------
    TrainingDiverged : a loss or gradient was not finite; the last checkpoint is kept.
    ApartError : the processes found different checkpoints.
    """
    trainer = Trainer(config, directory, device, commit, on_step)
    state = trainer.state
    with trainer.log:
        if trainer.first == 0:
            trainer.validate_untrained()
        trainer.read_at = time.perf_counter()
        while state["step"] < config.steps and not state["stopped_early"]:
            trainer.step()
            last = state["step"] == config.steps
            validates = state["step"] % config.validate_every == 0 or last
            saves = state["step"] % config.checkpoint_every == 0 or last
            ends = stop_after is not None and state["step"] - trainer.first >= stop_after
            if validates or saves or ends or state["step"] % config.log_every == 0:
                trainer.read()
                saves, ends = saves or trainer.unsaved_for(CHECKPOINT_SECONDS), ends or trainer.ran_for(minutes)
            if validates:
                trainer.validate()
            if saves or ends or state["stopped_early"]:
                trainer.save()
            if ends:
                break
    return trainer.result()


class Trainer:
    """A call of `train`: crops, network and optimiser, the progress, and the results of steps that have not been read yet."""

    def __init__(self, config: TrainingConfig, directory: Path, device: str, commit: str, on_step: OnStep | None) -> None:
        self.started = time.perf_counter()
        self.config, self.directory, self.device, self.commit, self.on_step = config, directory, device, commit, on_step
        rank, world = distributed.rank_and_world()
        self.leads = rank == 0
        if self.leads:
            claim_directory(config, directory)
        distributed.barrier()
        train_split, validation_split = (PairedSplit(config.corpus, s) for s in ("train", "validation"))
        crops = Crops(train_split, config.batch_size, config.crop_length, config.seed, (rank, world))
        self.batches = make_batches(crops, device, config.data_on_device)
        fixed = dataset.fixed_crops(validation_split, config.validation_crops, config.crop_length)
        self.x_val, self.y_val = (torch.from_numpy(side).to(device) for side in fixed)
        self.model = new_model(config.seed).to(device).train()
        self.objective = Objective(config.mse_weight).to(device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=config.fused or None
        )
        self.state = load_checkpoint(directory / "last.pt", self.model, self.optimizer)
        if distributed.broadcast_from_rank0(self.state["step"], device) != self.state["step"]:
            raise ApartError(
                f"The processes found different checkpoints in {directory.name}. Let all machines share the project's folder, "
                "or copy build/<profile>/training to each before they start."
            )
        self.stepped = distributed.data_parallel(self.model)
        if config.compiled:
            torch._dynamo.config.suppress_errors = True  # without a C compiler PyTorch warns and does not compile
            self.stepped = torch.compile(self.stepped, backend=config.compiled)
        self.first, self.begun = self.state["step"], self.state["seconds"]
        self.log = Log(directory, self.first, write=self.leads)
        self.unread: list[Tensor] = []
        self.read_at = self.saved_at = time.perf_counter()

    def step(self) -> None:
        """Do one training step; its results wait to be read."""
        x, y = self.batches(self.state["step"])
        config = self.config
        self.unread.append(train_step(self.stepped, self.objective, self.optimizer, x, y, config.clip_norm, config.autocast))
        self.state["step"] += 1

    def read(self) -> None:
        """Read, check and log the results of the steps since the last reading."""
        if not self.unread:
            return
        rows, now = distributed.all_reduce_mean(torch.stack(self.unread)).tolist(), time.perf_counter()
        begin, each = self.state["step"] - len(rows), (now - self.read_at) / len(rows)
        for step, (*losses, norm) in enumerate(rows, begin + 1):
            if not all(map(math.isfinite, (*losses, norm))):
                raise diverged(step, self.directory, self.config)
            self.state["seconds"] += each
            row = dict(zip(LOSS_NAMES, losses, strict=True))
            self.log.train(step, self.state["seconds"], norm, row)
            if self.on_step is not None:
                self.on_step(step, row)
        self.unread.clear()
        self.read_at = now

    def unsaved_for(self, seconds: float) -> bool:
        """Return whether the last checkpoint is so old, by the clock of rank 0."""
        return bool(distributed.broadcast_from_rank0(time.perf_counter() - self.saved_at >= seconds, self.device))

    def ran_for(self, minutes: float | None) -> bool:
        """Return whether this call has run so long, by the clock of rank 0."""
        over = minutes is not None and time.perf_counter() - self.started >= 60 * minutes
        return bool(distributed.broadcast_from_rank0(over, self.device))

    def validate_untrained(self) -> None:
        """Log the validation losses before the first step."""
        if self.leads:
            self.log.validation(0, 0.0, validate(self.model, self.objective, self.x_val, self.y_val, self.config.batch_size))

    def validate(self) -> None:
        """Measure the fixed crops, keep the weights if they are the best so far, and see whether patience has run out."""
        state, config = self.state, self.config
        if self.leads:
            measured = validate(self.model, self.objective, self.x_val, self.y_val, config.batch_size)
            self.log.validation(state["step"], state["seconds"], measured)
            if measured["loss"] < state["best_loss"]:
                state |= {"best_loss": measured["loss"], "best_step": state["step"]}
                save_checkpoint(self.directory / "best.pt", self.model, None, state, config, self.commit)
        state["best_step"] = int(distributed.broadcast_from_rank0(state["best_step"], self.device))
        waited = (state["step"] - state["best_step"]) // config.validate_every
        state["stopped_early"] = config.patience is not None and waited >= config.patience
        self.read_at = time.perf_counter()  # the time of training leaves validation out

    def save(self) -> None:
        """Write the log to the disk, then the checkpoint that it belongs to."""
        self.log.flush()
        if self.leads:
            save_checkpoint(self.directory / "last.pt", self.model, self.optimizer, self.state, self.config, self.commit)
        self.read_at = self.saved_at = time.perf_counter()  # the time of training leaves saving out, too

    def result(self) -> TrainingResult:
        """Return where the training stands now, and mark a finished one."""
        state = self.state
        result = TrainingResult(
            self.directory, self.config, state["step"], state["best_step"], state["stopped_early"], state["seconds"],
            ran_steps=state["step"] - self.first, piece_seconds=state["seconds"] - self.begun,
        )  # fmt: skip
        if self.leads and result.finished:
            files.write_json(self.directory / "finished.json", {k: state[k] for k in ("step", "best_step", "stopped_early")})
        distributed.barrier()
        return result


def diverged(step: int, directory: Path, config: TrainingConfig) -> TrainingDiverged:
    """Return the error of a step whose loss or gradient is not finite."""
    return TrainingDiverged(
        f"The loss or its gradient is not a finite number at step {step}. The checkpoint of an earlier step is kept in "
        f"{directory.name}. Look for extreme values in the recordings, or lower the learning rate ({config.learning_rate})."
    )
