"""Experiments with the networks that take longer than a run of the study. ``python benchmarks/experiments.py proposals``

Each experiment writes data/experiments/<name>.csv, a row for each training and test set. A command that was interrupted goes on after
the last complete training.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audiosr_lib import light
from audiosr_lib.base import files, paths, profiles
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.errors import run_command
from audiosr_lib.data.dataset import Crops, PairedSplit, fixed_crops, fixed_places
from audiosr_lib.inference import systems, weights
from audiosr_lib.light import EnvelopeLoss, LightNet, Predictor
from audiosr_lib.losses import Objective
from audiosr_lib.study import card
from audiosr_lib.training import adaptation, loop, networks
from audiosr_lib.training.batches import HostBatches
from audiosr_lib.training.variation import VariedBatches
from audiosr_lib.unet import CHANNELS, UNet, count_parameters

CORPUS = "ravdess+alnum+czech-ph"
SEEDS = (0, 1, 2)
TEST_SETS = ("ravdess", "alnum")


def file_of(name: str) -> Path:
    """Return the file of an experiment's results."""
    return paths.REPOSITORY / "data" / "experiments" / f"{name}.csv"


def results(name: str) -> pd.DataFrame:
    """Return the results of an experiment."""
    return pd.read_csv(file_of(name))


def collect(name: str, jobs: list[tuple[str, int]], work: Callable[[str, int], list[dict]]) -> None:
    """Do the jobs (variant, seed) whose rows are not in the file of an experiment, and add their rows to it."""
    rows = results(name).to_dict("records") if file_of(name).exists() else []
    done = {(row["variant"], row["seed"]) for row in rows}
    for variant, seed in tqdm([job for job in jobs if job not in done], desc=name):
        rows += [{"variant": variant, "seed": seed} | row for row in work(variant, seed)]
        files.write_text(file_of(name), pd.DataFrame(rows).to_csv(index=False, float_format="%.6g"))


def tested(model: nn.Module, per_speaker: int = 4) -> list[dict]:
    """Return the mean measures of a network on each test set, see `card.tested`."""
    rows = [card.tested(model, PairedSplit(name, "test"), per_speaker) for name in TEST_SETS]
    return [{k: v for k, v in row.items() if not isinstance(v, list)} for row in rows]


# --- the proposals of the coursework's conclusion, each in the same few minutes ---

STEPS, BATCH, CROP = 120, 2, SR_HIGH // 2


def kaiming(model: nn.Module) -> None:
    """Initialise the convolutions before a ReLU as He et al. (2015)."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d) and layer is not model.final:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)


def zero_residual(model: nn.Module) -> None:
    """Let the network begin as the identity: its last layer returns 0."""
    nn.init.zeros_(model.final.weight)
    nn.init.zeros_(model.final.bias)


# What differs from the coursework: the optimiser, its weight decay, the initialisation, or the channels.
PROPOSALS = {
    "as in the coursework": {},
    "weight decay 0": {"weight_decay": 0.0},
    "weight decay 1e-3": {"weight_decay": 1e-3},
    "AdamW, weight decay 1e-5": {"optimizer": torch.optim.AdamW},
    "AdamW, weight decay 1e-3": {"optimizer": torch.optim.AdamW, "weight_decay": 1e-3},
    "Kaiming initialisation": {"initialise": kaiming},
    "last layer begins at zero": {"initialise": zero_residual},
    "6 levels": {"channels": CHANNELS[:-1]},
    "8 levels": {"channels": (*CHANNELS, CHANNELS[-1])},
    "half the width": {"channels": tuple(c // 2 for c in CHANNELS)},
    "double the width": {"channels": tuple(2 * c for c in CHANNELS)},
}


def proposal(variant: str, seed: int) -> list[dict]:
    """Train a variant of the U-Net for `STEPS` steps, and return its validation loss, its time and its measures on each test set."""
    given = {"optimizer": torch.optim.Adam, "weight_decay": 1e-5, "initialise": lambda model: None, "channels": CHANNELS}
    given |= PROPOSALS[variant]
    model = networks.new_model(seed, lambda: UNet(given["channels"])).train()
    given["initialise"](model)
    optimizer = given["optimizer"](model.parameters(), lr=1e-4, weight_decay=given["weight_decay"])
    objective, crops = Objective(), Crops(PairedSplit(CORPUS, "train"), BATCH, CROP, seed)
    started = time.perf_counter()
    for step in range(STEPS):
        x, y = map(torch.from_numpy, crops.batch(step))
        loop.train_step(model, objective, optimizer, x, y, 10.0, torch.from_numpy(crops.edges_hz(step)).float())
    seconds = time.perf_counter() - started
    validation = PairedSplit(CORPUS, "validation")
    x, y = map(torch.from_numpy, fixed_crops(validation, 48, CROP))
    edges = torch.tensor([validation.utterances[i].edge_hz for i, _ in fixed_places(validation, 48, CROP)])
    loss = loop.validate(model, objective, x, y, 8, edges)["loss"]
    same = {"parameters": count_parameters(model), "steps": STEPS, "seconds": seconds, "validation_loss": loss}
    return [same | row for row in tested(model.eval(), 2)]


# --- adversarial fine-tuning of the light network ---

FINE_STEPS = 250


class Discriminator(nn.Module):
    """Rates patches of the new band of a spectrogram: ``(B, M, 513)`` complex to a list of layers, the last ``(B, 1, m, k)`` of ratings."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        sizes = ((1, width), (width, 2 * width), (2 * width, 2 * width))
        convolutions = [nn.Conv2d(a, b, (5, 5), stride=(1, 2), padding=2) for a, b in sizes]
        self.layers = nn.ModuleList([*map(nn.utils.parametrizations.spectral_norm, convolutions), nn.Conv2d(2 * width, 1, 3, padding=1)])

    def forward(self, spectrum: Tensor) -> list[Tensor]:
        h = light.power_of(spectrum[..., light.FIRST : light.END]).clamp_min(light.SMALLEST).log10()[:, None] / 2 + 1
        made = []
        for layer in self.layers[:-1]:
            h = nn.functional.leaky_relu(layer(h), 0.2)
            made.append(h)
        return [*made, self.layers[-1](h)]


def adversarial(variant: str, seed: int) -> list[dict]:
    """Fine-tune the published light network with or without an adversary, and return its measures on each test set.

    The adversary minimises (D(y) - 1)^2 + D(y^)^2, the network (D(y^) - 1)^2 and the differences of the adversary's layers, besides its
    own loss. Source: Mao et al. (2017), least-squares GAN; Larsen et al. (2016), feature matching.
    """
    torch.manual_seed(seed)
    model = systems.load_model(weights.find("light")).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=1e-2)
    adversary = Discriminator()
    its_optimizer = torch.optim.Adam(adversary.parameters(), lr=2e-4, betas=(0.5, 0.9))
    crops = Crops(PairedSplit(CORPUS, "train"), 8, SR_HIGH, seed)
    batches, objective = VariedBatches(HostBatches(crops, "cpu")), EnvelopeLoss()
    for step in range(FINE_STEPS):
        x, y = batches(step)
        spectrum, real = light.stft(x[:, 0], model.window), light.stft(y[:, 0], model.window)
        levels = model.levels(spectrum)
        loss = objective(levels, y, torch.from_numpy(crops.edges_hz(step)).float()).loss
        if variant == "with an adversary":
            made = light.fill(spectrum, levels)
            its_loss = (adversary(real)[-1] - 1).square().mean() + adversary(made.detach())[-1].square().mean()
            its_optimizer.zero_grad()
            its_loss.backward()
            its_optimizer.step()
            *features, rating = adversary(made)
            matching = sum((a - b.detach()).abs().mean() for a, b in zip(features, adversary(real)[:-1], strict=True))
            loss = loss + 0.1 * (rating - 1).square().mean() + 0.5 * matching
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return [{"steps": FINE_STEPS} | row for row in tested(model.eval())]


# --- what each step from the prototype brought ---

SHORT = 1000  # steps


PROTOTYPE = {"KNOWN": 232, "BANDS": 38, "END": 512, "QUANTILE": 0.5, "COMPLETE_HZ": 1e9, "EQUALISER_DB": 0.0}
# Each row adds its change to those above it.
IMPROVEMENTS = {
    "prototype: one frame a token, no equaliser": ({}, 1),
    "two frames a token": ({}, 2),
    "what the filters faded is amplified": ({"EQUALISER_DB": 30.0}, 2),
    "bands end at 21.4 kHz": ({"BANDS": 36, "END": 496}, 2),
    "the whole known band is seen": ({"KNOWN": 256}, 2),
    "ends above 19 kHz are learned": ({"COMPLETE_HZ": 19000.0}, 2),
    "quantile 0.55": ({"QUANTILE": 0.55}, 2),
}


def improvement(variant: str, seed: int) -> list[dict]:
    """Train the light network for `SHORT` steps with the changes up to a variant, and return its measures on each test set."""
    names, constants = list(IMPROVEMENTS), dict(PROTOTYPE)
    for name in names[: names.index(variant) + 1]:
        change, frames = IMPROVEMENTS[name]
        constants |= change
    with mock.patch.multiple(light, **constants):
        model = networks.new_model(seed, lambda: LightNet(frames=frames)).train()
        settings = replace(profiles.get("overnight").light, steps=SHORT)
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        crops = Crops(PairedSplit(CORPUS, "train"), settings.batch_size, SR_HIGH, seed)
        adaptation.train_steps(Predictor(model), optimizer, crops, SHORT, settings.learning_rate)
        return [{"steps": SHORT} | row for row in tested(model.eval())]


# --- adaptation ---


def adapted(variant: str, seed: int) -> list[dict]:
    """Adapt the network that was trained without ravdess to some of its training speakers, and return its measures on each test set.

    The variant says on how many seconds of speech.
    """
    model = systems.load_model(weights.find("light-free"))
    seconds = int(variant.split()[0])
    split = PairedSplit("ravdess", "train")
    chosen, total = [], 0.0
    for i in itertools.chain(*zip(*(split.spread(4)[k::4] for k in range(4)), strict=False)):
        if total < seconds:
            chosen.append(split.read(i)[1])
            total += split.utterances[i].seconds
    report = {}
    if chosen:
        model, report = adaptation.adapt(model, chosen, seed=seed)
    return [{"seconds": total} | report | row for row in tested(model.eval())]


EXPERIMENTS = {
    "proposals": ([(v, s) for v in PROPOSALS for s in SEEDS], proposal),
    "adversarial": ([(v, s) for v in ("without an adversary", "with an adversary") for s in SEEDS], adversarial),
    "improvements": ([(v, 0) for v in IMPROVEMENTS], improvement),
    "adaptation": ([(v, 0) for v in ("0 s", "60 s", "120 s", "300 s")], adapted),
}


def main(arguments: list[str] | None = None) -> int:
    """Do an experiment and return the exit status."""
    parser = argparse.ArgumentParser(description="Do an experiment with the networks.")
    parser.add_argument("name", choices=list(EXPERIMENTS))
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)

    def work() -> int:
        collect(options.name, *EXPERIMENTS[options.name])
        print(paths.shown(file_of(options.name)))
        return 0

    kept = "Kept: every complete training. Repeat the command to continue."
    return run_command(work, debug=options.debug, kept=lambda: kept)


if __name__ == "__main__":
    sys.exit(main())
