"""Profiles: the three sizes of a run. A notebook's results depend only on its profile, corpus, seed and device."""

from __future__ import annotations

from dataclasses import dataclass


def parts_of(corpus: str) -> list[str]:
    """Return the names that are combined in a corpus' name, such as ravdess and alnum in "ravdess+alnum"."""
    return corpus.split("+")


@dataclass(frozen=True, kw_only=True)
class Training:
    """The settings of a training."""

    network: str = "unet"
    corpus: str  # --corpus overrides it
    steps: int
    batch_size: int
    crop_seconds: float
    validate_every: int  # steps
    validation_crops: int
    checkpoint_every: int  # steps
    patience: int | None  # validations without improvement before stopping; None: never
    # objective and optimiser: section 2.5 of the coursework
    learning_rate: float = 1e-4
    weight_decay: float = 1e-5
    mse_weight: float = 100.0
    clip_norm: float = 10.0
    # for lossy recordings; not part of the coursework
    masked: bool = False  # the spectral losses ignore what is above the edge of a target
    floor_db: float | None = None  # noise floor of training pairs, RMS in dB re full scale
    snapshots: bool = False  # keep the weights of the steps validate_every * 1, 2, 4, 8, ...


@dataclass(frozen=True, kw_only=True)
class LightTraining(Training):
    """The settings of a training of the light network."""

    network: str = "light"
    steps: int = 5_000
    batch_size: int = 24
    crop_seconds: float = 1.0
    validate_every: int = 250
    validation_crops: int = 256
    checkpoint_every: int = 250
    patience: int | None = None
    snapshots: bool = True
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    masked: bool = True
    width: int = 128
    blocks: int = 5
    frames: int = 2


@dataclass(frozen=True, kw_only=True)
class Profile(Training):
    """The settings of a run. Profiles differ in the amount of work, not in the objective and the optimiser."""

    name: str
    light: LightTraining  # of the light network
    # the run
    pilot: bool = False  # its own training is short, so the published network is tested, too, and judged
    first: str = "00"  # number of its first notebook
    # evaluation
    test_utterances: int | None  # per speaker; None: all
    timing_seconds: float  # length of the audio that each method upsamples
    timing_repeats: int
    bootstrap: int = 2000
    # the audit of notebook 11
    audit_utterances: int  # per speaker and corpus
    perceptual_utterances: int  # total, scored by ViSQOL
    compile_network: bool  # also time the compiled network; compiling takes half a minute
    unseen: tuple[str, ...] = ()  # further corpora to test on, which are fetched
    if_here: tuple[str, ...] = ()  # and those that are used if their recordings are on this machine

    def beside(self, corpus: str) -> tuple[str, ...]:
        """Return the further corpora to test on that are not part of `corpus`, the corpus of the run."""
        return tuple(name for name in self.if_here + self.unseen if name not in parts_of(corpus))


PROFILES = {
    p.name: p
    for p in (
        Profile(
            name="smoke", corpus="synthetic",
            steps=6, batch_size=2, crop_seconds=0.25,
            validate_every=2, validation_crops=2, checkpoint_every=6, patience=None,
            pilot=True, test_utterances=2, timing_seconds=1.0, timing_repeats=2, bootstrap=200,
            audit_utterances=2, perceptual_utterances=1, compile_network=False,
            light=LightTraining(
                corpus="synthetic", steps=4, batch_size=2, crop_seconds=0.5,
                validate_every=2, validation_crops=2, checkpoint_every=4, width=16, blocks=1,
            ),
        ),
        Profile(
            name="quick", corpus="tuxpaint",
            steps=150, batch_size=2, crop_seconds=0.5,
            validate_every=15, validation_crops=16, checkpoint_every=15, patience=None,
            pilot=True, test_utterances=15, timing_seconds=5.0, timing_repeats=3,
            audit_utterances=6, perceptual_utterances=6, compile_network=True,
            unseen=("klettres", "ktuberling"), if_here=("ravdess", "alnum"),
            light=LightTraining(
                corpus="tuxpaint", steps=600, validate_every=50, validation_crops=64, checkpoint_every=50,
                floor_db=-80.0, width=64, blocks=3,
            ),
        ),
        Profile(
            name="overnight", corpus="ravdess+alnum+czech-ph+tuxpaint",
            steps=9_000, batch_size=2, crop_seconds=1.0,
            validate_every=250, validation_crops=64, checkpoint_every=250, patience=None,
            masked=True, floor_db=-80.0, snapshots=True, first="07",
            test_utterances=20, timing_seconds=8.0, timing_repeats=3,
            audit_utterances=10, perceptual_utterances=12, compile_network=True,
            unseen=("klettres", "ktuberling"),
            light=LightTraining(corpus="ravdess+alnum+czech-ph"),
        ),
        Profile(
            name="coursework", corpus="vctk",
            steps=200_000, batch_size=16, crop_seconds=2.0,
            validate_every=1000, validation_crops=256, checkpoint_every=500, patience=20,
            test_utterances=None, timing_seconds=60.0, timing_repeats=5,
            audit_utterances=50, perceptual_utterances=80, compile_network=True,
            unseen=("ravdess", "alnum", "tuxpaint", "klettres", "ktuberling"),
            light=LightTraining(corpus="vctk"),
        ),
    )
}  # fmt: skip


def training_of(profile: Profile, network: str) -> Training:
    """Return the settings with which a profile trains a network."""
    return profile.light if network == "light" else profile


def default(network: str) -> str:
    """Return the name of the profile that trains a network if the user names none."""
    return "overnight" if network == "light" else "quick"


def get(name: str) -> Profile:
    """Return the profile called `name`. ValueError lists the known names."""
    if name not in PROFILES:
        raise ValueError(f"no profile {name!r}: choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
