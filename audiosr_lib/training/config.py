"""What decides a training, and where a training stands."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.profiles import Profile
from audiosr_lib.data import dataset

VERSION = 1  # of what a step computes; raise it when the same config would learn something else
SWITCHES = ("data_on_device", "autocast", "fused", "compiled", "log_every")  # fields that decide how fast a training is


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides what a training computes; saved with every checkpoint."""

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
    version: int = VERSION
    # How fast it is. All off is the plain loop of notebook 08.
    data_on_device: bool = False  # keep the corpus in the memory of the GPU, if it fits
    autocast: str = ""  # floating type of the network, "bfloat16"; the losses stay in float32
    fused: bool = False  # Adam as one kernel
    compiled: str = ""  # backend of torch.compile, "inductor"
    log_every: int = 1  # steps after which the losses are read, which waits for the device

    @classmethod
    def of(cls, profile: Profile, corpus: str, seed: int, device: str = "cpu") -> TrainingConfig:
        """Return the config of a profile: the plain loop on a CPU, every switch on a GPU.

        Parameters
        ----------
        profile : its budget and the constants of section 2.5.
        corpus : name of a prepared corpus.
        seed : of the weights and of the order of the crops.
        device : "cpu" or "cuda". Compiling takes a minute, so a profile may leave it out.
        """
        shared = {f.name for f in dataclasses.fields(cls)} & {f.name for f in dataclasses.fields(profile)} - {"corpus"}
        numbers = {name: getattr(profile, name) for name in shared}
        if device == "cuda":
            half = "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else ""
            numbers |= {"data_on_device": True, "autocast": half, "fused": True, "log_every": min(25, profile.validate_every)}
            numbers["compiled"] = "inductor" if profile.compile_network else ""
        return cls(corpus=corpus, corpus_sha256=dataset.summary(corpus)["content_sha256"], seed=seed, **numbers)

    @property
    def crop_length(self) -> int:
        """Samples of a crop, even."""
        return round(self.crop_seconds * SR_HIGH / 2) * 2

    def decides(self) -> dict:
        """Return the fields that decide what is learned: a training goes on on another device, with other switches."""
        return {name: value for name, value in asdict(self).items() if name not in SWITCHES}


@dataclass(frozen=True)
class TrainingResult:
    """Where a training stands, and where its files are."""

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
        """The checkpoint with the lowest validation loss."""
        return self.directory / "best.pt"
