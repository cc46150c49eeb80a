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

import csv
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

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_lib import dataset, engine, files, losses, parallel, unet
from audiosr_lib.dataset import Crops, PairedSplit
from audiosr_lib.losses import LOSS_NAMES, Objective
from audiosr_lib.profiles import Profile
from audiosr_lib.resampling import SR_HIGH
from audiosr_lib.unet import UNet

TRAIN_FIELDS = ("step", "seconds", "grad_norm", *LOSS_NAMES)
VALIDATION_FIELDS = ("step", "seconds", *LOSS_NAMES)
CHECKPOINT_SECONDS = 120.0  # a checkpoint at least so often, besides those that the config asks for


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
            numbers |= {"resident": True, "autocast": "bfloat16", "fused": True, "read_every": min(25, profile.validate_every)}
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
        """Hash of the config and of the code that a step runs: a checkpoint of another fingerprint is not continued."""
        code = "".join(inspect.getsource(m) for m in (unet, losses, dataset, engine))
        return hashlib.sha256((json.dumps(asdict(self), sort_keys=True) + code).encode()).hexdigest()


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
    called = time.perf_counter()
    rank, world = parallel.share()
    first_of_all = rank == 0
    if first_of_all:
        claim_directory(config, directory)
    parallel.wait()
    train_split, validation_split = (PairedSplit(config.corpus, s) for s in ("train", "validation"))
    crops = Crops(train_split, config.batch_size, config.crop_length, config.seed, (rank, world))
    batches = engine.batches(crops, device, config.resident)
    x_val, y_val = (
        torch.from_numpy(side).to(device) for side in dataset.fixed_crops(validation_split, config.validation_crops, config.crop_length)
    )
    model = new_model(config.seed).to(device).train()
    if world > 1:
        parallel.synchronised(model)  # before the optimiser sees the weights
    objective = Objective(config.mse_weight, across=parallel.total if world > 1 else None).to(device)
    judge = Objective(config.mse_weight).to(device)  # of the validation, which the first process does alone
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=config.fused or None)
    state = load_checkpoint(directory / "last.pt", model, optimizer)
    stepped = parallel.joined(model) if world > 1 else model
    if config.compiled:
        stepped = torch.compile(stepped, backend=config.compiled)
    first, begun = state["step"], state["seconds"]
    waiting: list[Tensor] = []  # results of steps that have not been read
    read_at = saved_at = time.perf_counter()

    with Log(directory, first, write=first_of_all) as log:

        def read() -> None:
            """Read, check and log the results of the steps since the last reading."""
            nonlocal read_at
            if not waiting:
                return
            results, now = engine.rows(parallel.mean(torch.stack(waiting))), time.perf_counter()
            begin, each = state["step"] - len(results), (now - read_at) / len(results)
            for step, row in enumerate(results, begin + 1):
                if not all(map(math.isfinite, row.values())):
                    raise diverged(step, directory, config)
                state["seconds"] += each
                norm = row.pop("grad_norm")
                log.train(step, state["seconds"], norm, row)
                if on_step is not None:
                    on_step(step, row)
            waiting.clear()
            read_at = now

        def save() -> None:
            nonlocal saved_at
            log.flush()
            if first_of_all:
                save_checkpoint(directory / "last.pt", model, optimizer, state, config, commit)
            saved_at = time.perf_counter()

        if first == 0 and first_of_all:
            log.validation(0, 0.0, validate(model, judge, x_val, y_val, config.batch_size))
        read_at = time.perf_counter()
        while state["step"] < config.steps and not state["stopped_early"]:
            x, y = batches(state["step"])
            if config.plain:
                try:
                    values, norm = train_step(stepped, objective, optimizer, x, y, config.clip_norm)
                except FloatingPointError:
                    raise diverged(state["step"] + 1, directory, config) from None
                waiting.append(torch.tensor([*values.values(), norm], dtype=torch.float64))
            else:
                waiting.append(engine.step_without_waiting(stepped, objective, optimizer, x, y, config.clip_norm, config.autocast))
            state["step"] += 1
            last = state["step"] == config.steps
            validates = state["step"] % config.validate_every == 0 or last
            saves = state["step"] % config.checkpoint_every == 0 or last
            ends = stop_after is not None and state["step"] - first >= stop_after
            if validates or saves or ends or state["step"] % config.read_every == 0:
                read()
                elapsed = time.perf_counter()
                late = [elapsed - saved_at >= CHECKPOINT_SECONDS, minutes is not None and elapsed - called >= 60 * minutes]
                late = [bool(parallel.told_by_first(v, device)) for v in late]  # clocks differ: one decides for all
                saves, ends = saves or late[0], ends or late[1]
            if validates:
                if first_of_all:
                    measured = validate(model, judge, x_val, y_val, config.batch_size)
                    log.validation(state["step"], state["seconds"], measured)
                    if measured["loss"] < state["best_loss"]:
                        state |= {"best_loss": measured["loss"], "best_step": state["step"]}
                        save_checkpoint(directory / "best.pt", model, None, state, config, commit)
                state["best_step"] = int(parallel.told_by_first(state["best_step"], device))
                waited = (state["step"] - state["best_step"]) // config.validate_every
                state["stopped_early"] = config.patience is not None and waited >= config.patience
                read_at = time.perf_counter()  # validating is no training
            if saves or ends or state["stopped_early"]:
                save()
                read_at = time.perf_counter()
            if ends:
                break
    result = TrainingResult(
        directory, config, state["step"], state["best_step"], state["stopped_early"], state["seconds"],
        ran_steps=state["step"] - first, piece_seconds=state["seconds"] - begun,
    )  # fmt: skip
    if first_of_all and result.finished:
        files.write_json(directory / "finished.json", {k: state[k] for k in ("step", "best_step", "stopped_early")})
    parallel.wait()
    return result


def diverged(step: int, directory: Path, config: TrainingConfig) -> TrainingDiverged:
    """The error of a step whose loss or gradient is not a number."""
    return TrainingDiverged(
        f"the loss or its gradient is not a number at step {step}. The checkpoint of an earlier step is kept in "
        f"{directory.name}; look at the input for extreme values, or lower the learning rate ({config.learning_rate})."
    )


# --- the directory, the checkpoint, the log ------------------------------------------------------


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
            with files.aside(file) as path, open(path, "w", newline="", encoding="utf-8") as f:
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
    """Exponential moving average as TensorBoard draws it: bias-corrected, ``(n,) -> (n,)``, weight in [0, 1)."""
    out, average = np.empty(len(values)), 0.0
    for i, v in enumerate(values):
        average = weight * average + (1 - weight) * v
        out[i] = average / (1 - weight ** (i + 1))
    return out
