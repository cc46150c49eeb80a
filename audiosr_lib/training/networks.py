"""The networks that the loop can train: how each is made, scored and optimised."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from audiosr_lib.light import EnvelopeLoss, LightNet, Predictor
from audiosr_lib.losses import Objective
from audiosr_lib.training.config import TrainingConfig
from audiosr_lib.unet import UNet

WARM_UP = 50  # steps in which the learning rate of "cosine" rises


def constant(step: int, steps: int) -> float:
    """Return 1, the share of the learning rate in each step."""
    return 1.0


def cosine(step: int, steps: int) -> float:
    """Return the share of the learning rate in a step: up by a straight line, then down to 0 by half a cosine."""
    return min(1.0, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


@dataclass(frozen=True)
class Network:
    """What the loop must know of a network."""

    make: Callable[[TrainingConfig], nn.Module]
    trained: Callable[[nn.Module], nn.Module]  # what the objective scores: the network, or a part of it
    objective: Callable[[TrainingConfig], nn.Module]
    optimizer: type[torch.optim.Optimizer]
    share: Callable[[int, int], float]  # of the learning rate, by step and number of steps
    varied: bool  # trained on random versions of the recordings, see `variation`


NETWORKS = {
    "unet": Network(
        make=lambda c: UNet(),
        trained=lambda network: network,
        objective=lambda c: Objective(c.mse_weight),
        optimizer=torch.optim.Adam,
        share=constant,
        varied=False,
    ),
    "light": Network(
        make=lambda c: LightNet(c.width, c.blocks, c.frames),
        trained=Predictor,
        objective=lambda c: EnvelopeLoss(),
        optimizer=torch.optim.AdamW,
        share=cosine,
        varied=True,
    ),
}


def new_model(seed: int, make: Callable[[], nn.Module] = UNet) -> nn.Module:
    """Return a network, by default a U-Net, with PyTorch's default initialisation, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()
