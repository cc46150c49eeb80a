"""The settings that decide what a training computes, and the result of a training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.profiles import Profile, training_of
from audiosr_lib.data import dataset

VERSION = 3  # raise it when a change makes the same config learn something else
ADDED = ("network", "width", "blocks", "frames", "start")  # fields younger than that version: at their defaults they decide nothing
SWITCHES = ("data_on_device", "fused", "compiled", "log_every", "snapshots")  # fields that decide only speed and storage


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
    masked: bool = False  # the spectral losses ignore what is above the edge of a target
    floor_db: float | None = None  # noise floor of the training pairs of lossy recordings, RMS in dB re full scale
    version: int = VERSION
    network: str = "unet"  # one of `networks.NETWORKS`
    width: int = 0  # of the light network, see `light.LightNet`
    blocks: int = 0
    frames: int = 0
    start: str = ""  # SHA-256 of the weights that the training starts from; "": from the initialisation
    # Speed. With all switches off this is the plain loop of notebook 08.
    data_on_device: bool = False  # keep the corpus in GPU memory if it fits
    fused: bool = False  # Adam as one kernel
    compiled: str = ""  # backend of torch.compile, "inductor"
    log_every: int = 1  # steps between readings of the losses; a reading waits for the device
    snapshots: bool = False  # keep the weights of the steps validate_every * 1, 2, 4, 8, ...

    @classmethod
    def of(cls, profile: Profile, corpus: str, seed: int, device: str = "cpu", network: str = "unet") -> TrainingConfig:
        """Return the config of a profile and a prepared corpus: the plain loop on "cpu", every switch that the profile allows on "cuda"."""
        training = training_of(profile, network)
        values = {field.name: getattr(training, field.name) for field in fields(cls) if hasattr(training, field.name)}
        values |= {"corpus": corpus, "corpus_sha256": dataset.summary(corpus)["content_sha256"], "seed": seed}
        if device == "cuda":
            values |= {"data_on_device": True, "fused": True, "log_every": min(25, training.validate_every)}
            values["compiled"] = "inductor" if profile.compile_network else ""  # compilation takes a minute
        return cls(**values)

    @property
    def crop_length(self) -> int:
        """Samples of a crop: even for the U-Net, a multiple of 4 for the light network."""
        multiple = 4 if self.network == "light" else 2
        return round(self.crop_seconds * SR_HIGH / multiple) * multiple

    def decides(self) -> dict:
        """Return the fields that decide what is learned. The switches may change when a training is resumed, as on another device."""
        unused = {f.name for f in fields(self) if f.name in ADDED and getattr(self, f.name) == f.default}
        return {name: value for name, value in asdict(self).items() if name not in SWITCHES and name not in unused}


@dataclass(frozen=True)
class TrainingResult:
    """The progress of a training and the folder of its files."""

    directory: Path
    config: TrainingConfig
    step: int  # steps done
    best_step: int
    stopped_early: bool
    seconds: float  # spent in training steps, over all calls
    ran_steps: int  # steps of this call
    piece_seconds: float  # spent in the steps of this call

    @property
    def finished(self) -> bool:
        """Whether all steps are done or patience ran out."""
        return self.stopped_early or self.step == self.config.steps

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.directory / "best.pt"
