"""Training the U-Net (coursework sections 2.5 and 2.6): a plain loop that can be cut and goes on.

Each step: a batch of crops, the objective, its gradient clipped to norm 10, one step of Adam. Every so many steps
the same validation crops are measured with the network in evaluation mode, and the best weights are kept. The log is a CSV file
(and TensorBoard scalars with the coursework's tags), the checkpoint one file replaced in one move.

A batch depends on (seed, step) alone, so a checkpoint needs no state of a random generator: on the CPU a resumed run ends
with the very bits of an uninterrupted one. Notebook 08.

The switches at the end of the config make it fast on a GPU (module engine); under torchrun several processes share each batch
(module parallel). ``python -m audiosr_lib.trainer`` trains without a notebook, in pieces if wanted.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audiosr_lib import dataset, engine, files, losses, parallel, unet
from audiosr_lib.dataset import Crops, PairedSplit
from audiosr_lib.logbook import Log
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.profiles import Profile
from audiosr_lib.resampling import SR_HIGH
from audiosr_lib.unet import UNet

SWITCHES = ("resident", "autocast", "fused", "compiled", "read_every")  # fields of the config that only decide how fast
CHECKPOINT_SECONDS = 120.0  # a checkpoint at least so often, besides those that the config asks for


class ApartError(RuntimeError):
    """Processes of one training found different checkpoints; the message says what to do."""


class TrainingDiverged(RuntimeError):
    """The loss stopped being a number; the message says where, and what is kept."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides what a training run computes; saved with every checkpoint."""

    corpus: str
    corpus_sha256: str
    seed: int
    steps: int
    batch_size: int
    crop_seconds: float
    learning_rate: float
    weight_decay: float
    mse_weight: float
    clip_norm: float
    validate_every: int
    validation_crops: int
    checkpoint_every: int
    patience: int | None
    # switches of the fast engine; all off is the plain loop
    resident: bool = False  # the corpus in the device's memory, if it fits
    autocast: str = ""  # a floating type for the network, "bfloat16"; the losses stay in float32
    fused: bool = False  # Adam as one kernel
    compiled: str = ""  # a backend of torch.compile, "inductor"
    read_every: int = 1  # steps after which the losses are read, which waits for the device; 1: at each

    @classmethod
    def of(cls, profile: Profile, corpus: str, seed: int, device: str = "cpu") -> TrainingConfig:
        """The config of a profile on a prepared corpus: on the CPU the plain loop, on a GPU every switch on.

        Compiling takes a minute, so it is left out where the profile does not compile.
        """
        shared = {f.name for f in dataclasses.fields(cls)} & {f.name for f in dataclasses.fields(profile)} - {"corpus"}
        numbers = {name: getattr(profile, name) for name in shared}
        if device == "cuda":
            half = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
            numbers |= {"resident": True, "autocast": half, "fused": True, "read_every": min(25, profile.validate_every)}
            numbers["compiled"] = "inductor" if profile.compile_network else ""
        return cls(corpus=corpus, corpus_sha256=dataset.summary(corpus)["content_sha256"], seed=seed, **numbers)

    @property
    def plain(self) -> bool:
        """Whether each step is `train_step`, read at once."""
        return not self.autocast and self.read_every == 1

    @property
    def crop_length(self) -> int:
        """Samples of a crop, even."""
        return round(self.crop_seconds * SR_HIGH / 2) * 2

    def fingerprint(self) -> str:
        """Hash of what decides what is learned, and of the code that a step runs: a checkpoint of another fingerprint is not continued.

        The switches of the fast engine are left out, so that a training goes on on another device.
        """
        decides = {name: value for name, value in asdict(self).items() if name not in SWITCHES}
        code = "".join(inspect.getsource(m) for m in (unet, losses, dataset, engine))
        return hashlib.sha256((json.dumps(decides, sort_keys=True) + code).encode()).hexdigest()


@dataclass(frozen=True)
class TrainingResult:
    """Where a training run stands, and where its files are."""

    directory: Path
    config: TrainingConfig
    step: int  # steps done
    best_step: int
    stopped_early: bool
    seconds: float  # spent in training steps, over all pieces
    ran_steps: int  # of these, in this call
    piece_seconds: float  # spent in them

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or patience ran out."""
        return self.stopped_early or self.step == self.config.steps

    @property
    def best(self) -> Path:
        return self.directory / "best.pt"


def new_model(seed: int) -> UNet:
    """A U-Net with PyTorch's default initialisation, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet()


def train_step(
    model: nn.Module, objective: Objective, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, clip_norm: float
) -> tuple[dict[str, float], float]:
    """One step of section 2.5 on a batch ``(B, 1, T)``; returns the four losses and the gradient norm before clipping."""
    optimizer.zero_grad(set_to_none=True)
    terms = objective(model(x), y)
    terms.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not (torch.isfinite(terms.loss) and torch.isfinite(norm)):
        raise FloatingPointError  # before the step: the weights stay as they were
    optimizer.step()
    return {name: term.item() for name, term in terms.items().items()}, norm.item()


@torch.no_grad()
def validate(model: nn.Module, objective: Objective, x: Tensor, y: Tensor, batch_size: int) -> dict[str, float]:
    """The four losses over fixed crops ``(N, 1, T)``, batch norm in evaluation mode; mean over crops.

    The total uses the training's MSE weight, so that the two figures show one quantity. (The coursework's program validates
    with weight 1; notebook 09 shows that total, too.)
    """
    was_training = model.training
    model.eval()
    sums = dict.fromkeys(LOSS_NAMES, 0.0)
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        terms = objective(model(x[part]), y[part])
        for name, term in terms.items().items():
            sums[name] += term.item() * len(x[part])
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
    """Train, or go on training, in `directory`.

    Parameters
    ----------
    config : what to compute. directory : log and checkpoints; a run of another config or other code found there is
    moved aside to NAME.old. device : "cpu" or "cuda". commit : noted in the checkpoint. on_step : called with
    the step and its losses when they are read, for progress. stop_after, minutes : end after that many steps, or that long, of this
    call (a piece of a run).

    In a group of processes (`parallel.join`) each calls this alike; the first one validates, logs and saves.

    Returns
    -------
    TrainingResult; `step` is less than `config.steps` only after a piece or when patience ran out.

    Raises
    ------
    TrainingDiverged : a loss or gradient was not finite; the last checkpoint is kept.
    """
    piece = _Piece(config, directory, device, commit, on_step)
    state = piece.state
    with piece.log:
        if piece.first == 0:
            piece.validate_untrained()
        piece.read_at = time.perf_counter()
        while state["step"] < config.steps and not state["stopped_early"]:
            piece.step()
            last = state["step"] == config.steps
            validates = state["step"] % config.validate_every == 0 or last
            saves = state["step"] % config.checkpoint_every == 0 or last
            ends = stop_after is not None and state["step"] - piece.first >= stop_after
            if validates or saves or ends or state["step"] % config.read_every == 0:
                piece.read()
                saves, ends = saves or piece.unsaved_for(CHECKPOINT_SECONDS), ends or piece.lasts(minutes)
            if validates:
                piece.validate()
            if saves or ends or state["stopped_early"]:
                piece.save()
            if ends:
                break
    return piece.result()


class _Piece:
    """What a call of `train` works with: crops, network and optimiser, how far the run is, and the results that nobody has read."""

    def __init__(
        self, config: TrainingConfig, directory: Path, device: str, commit: str, on_step: Callable[[int, dict[str, float]], None] | None
    ) -> None:
        self.called = time.perf_counter()
        self.config, self.directory, self.device, self.commit, self.on_step = config, directory, device, commit, on_step
        rank, world = parallel.share()
        self.leads = rank == 0
        if self.leads:
            claim_directory(config, directory)
        parallel.wait()
        train_split, validation_split = (PairedSplit(config.corpus, s) for s in ("train", "validation"))
        crops = Crops(train_split, config.batch_size, config.crop_length, config.seed, (rank, world))
        self.batches = engine.batches(crops, device, config.resident)
        self.x_val, self.y_val = (
            torch.from_numpy(side).to(device) for side in dataset.fixed_crops(validation_split, config.validation_crops, config.crop_length)
        )
        self.model = new_model(config.seed).to(device).train()
        if world > 1:
            parallel.synchronised(self.model)  # before the optimiser sees the weights
        self.objective = Objective(config.mse_weight, across=parallel.total if world > 1 else None).to(device)
        self.judge = Objective(config.mse_weight).to(device)  # of the validation, which the first process does alone
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=config.fused or None
        )
        self.state = load_checkpoint(directory / "last.pt", self.model, self.optimizer)
        self.stepped = parallel.joined(self.model) if world > 1 else self.model
        if config.compiled:
            torch._dynamo.config.suppress_errors = True  # without a C compiler it warns and goes on as it is
            self.stepped = torch.compile(self.stepped, backend=config.compiled)
        if not parallel.agreed(self.state["step"], device):
            raise ApartError(
                f"the processes found different checkpoints in {directory.name}: let all machines share the project's folder, "
                "or copy build/<profile>/training to each before they start"
            )
        self.first, self.begun = self.state["step"], self.state["seconds"]
        self.log = Log(directory, self.first, write=self.leads)
        self.waiting: list[Tensor] = []  # results of steps that have not been read
        self.read_at = self.saved_at = time.perf_counter()

    def step(self) -> None:
        """One training step; its results wait to be read."""
        config, (x, y) = self.config, self.batches(self.state["step"])
        if config.plain:
            try:
                values, norm = train_step(self.stepped, self.objective, self.optimizer, x, y, config.clip_norm)
            except FloatingPointError:
                raise diverged(self.state["step"] + 1, self.directory, config) from None
            results = torch.tensor([*values.values(), norm], dtype=torch.float64, device=self.device)
        else:
            results = engine.step_without_waiting(self.stepped, self.objective, self.optimizer, x, y, config.clip_norm, config.autocast)
        self.waiting.append(results)
        self.state["step"] += 1

    def read(self) -> None:
        """Read, check and log the results of the steps since the last reading."""
        if not self.waiting:
            return
        results, now = engine.rows(parallel.mean(torch.stack(self.waiting))), time.perf_counter()
        begin, each = self.state["step"] - len(results), (now - self.read_at) / len(results)
        for step, row in enumerate(results, begin + 1):
            if not all(map(math.isfinite, row.values())):
                raise diverged(step, self.directory, self.config)
            self.state["seconds"] += each
            norm = row.pop("grad_norm")
            self.log.train(step, self.state["seconds"], norm, row)
            if self.on_step is not None:
                self.on_step(step, row)
        self.waiting.clear()
        self.read_at = now

    def unsaved_for(self, seconds: float) -> bool:
        """Whether the last checkpoint is so old. Clocks differ: the first process decides for all."""
        return bool(parallel.told_by_first(time.perf_counter() - self.saved_at >= seconds, self.device))

    def lasts(self, minutes: float | None) -> bool:
        """Whether this piece has taken so long, by the first process' clock."""
        return bool(parallel.told_by_first(minutes is not None and time.perf_counter() - self.called >= 60 * minutes, self.device))

    def validate_untrained(self) -> None:
        """The validation's losses before the first step."""
        if self.leads:
            self.log.validation(0, 0.0, validate(self.model, self.judge, self.x_val, self.y_val, self.config.batch_size))

    def validate(self) -> None:
        """Measure the fixed crops, keep the weights if they are the best so far, and see whether patience has run out."""
        state, config = self.state, self.config
        if self.leads:
            measured = validate(self.model, self.judge, self.x_val, self.y_val, config.batch_size)
            self.log.validation(state["step"], state["seconds"], measured)
            if measured["loss"] < state["best_loss"]:
                state |= {"best_loss": measured["loss"], "best_step": state["step"]}
                save_checkpoint(self.directory / "best.pt", self.model, None, state, config, self.commit)
        state["best_step"] = int(parallel.told_by_first(state["best_step"], self.device))
        waited = (state["step"] - state["best_step"]) // config.validate_every
        state["stopped_early"] = config.patience is not None and waited >= config.patience
        self.read_at = time.perf_counter()  # validating is no training

    def save(self) -> None:
        """Write the log to the disk, then the checkpoint that it belongs to."""
        self.log.flush()
        if self.leads:
            save_checkpoint(self.directory / "last.pt", self.model, self.optimizer, self.state, self.config, self.commit)
        self.read_at = self.saved_at = time.perf_counter()  # nor is saving

    def result(self) -> TrainingResult:
        """Where the run stands now; a finished one gets its mark."""
        state = self.state
        result = TrainingResult(
            self.directory, self.config, state["step"], state["best_step"], state["stopped_early"], state["seconds"],
            ran_steps=state["step"] - self.first, piece_seconds=state["seconds"] - self.begun,
        )  # fmt: skip
        if self.leads and result.finished:
            files.write_json(self.directory / "finished.json", {k: state[k] for k in ("step", "best_step", "stopped_early")})
        parallel.wait()
        return result


def explained(error: Exception) -> str:
    """An error's message; what to do where a GPU's memory did not suffice."""
    if not isinstance(error, torch.OutOfMemoryError):
        return str(error)
    return "the GPU's memory is too small for this profile: take --profile quick, or --device cpu. " + str(error).partition("\n")[0]


def diverged(step: int, directory: Path, config: TrainingConfig) -> TrainingDiverged:
    """The error of a step whose loss or gradient is not a number."""
    return TrainingDiverged(
        f"the loss or its gradient is not a number at step {step}. The checkpoint of an earlier step is kept in "
        f"{directory.name}; look at the input for extreme values, or lower the learning rate ({config.learning_rate})."
    )


# --- the directory, the checkpoint ------------------------------------------------------


def claim_directory(config: TrainingConfig, directory: Path) -> Path:
    """Make `directory` ready for `config`: go on with its own run, move any other aside."""
    mark = directory / "config.json"
    if mark.exists() and files.read_json(mark)["fingerprint"] != config.fingerprint():
        old = directory.with_name(directory.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        directory.rename(old)
    directory.mkdir(parents=True, exist_ok=True)
    if not mark.exists():
        files.write_json(mark, {"fingerprint": config.fingerprint(), "config": asdict(config)})
    return directory


def save_checkpoint(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict, config: TrainingConfig, commit: str
) -> None:
    """Write weights, optimiser, progress, config, seed and commit; whole or not at all."""
    with files.aside(file) as path:
        torch.save(
            {
                "model": model.state_dict(),
                "optimizer": None if optimizer is None else optimizer.state_dict(),
                "state": dict(state),
                "config": asdict(config),
                "seed": config.seed,
                "commit": commit,
            },
            path,
        )


def load_checkpoint(file: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict:
    """Restore model and optimiser in place; returns the progress, that of a fresh run if there is no file."""
    if not file.exists():
        return {"step": 0, "seconds": 0.0, "best_loss": math.inf, "best_step": 0, "stopped_early": False}
    checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["state"]
