"""Going on from trained weights on recordings of one microphone, room or voice: adaptation of the light network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data.dataset import Crops, Utterance
from audiosr_lib.light import EnvelopeLoss, LightNet, Predictor
from audiosr_lib.training.batches import HostBatches
from audiosr_lib.training.loop import train_step, validate
from audiosr_lib.training.networks import cosine
from audiosr_lib.training.variation import VariedBatches, plain_inputs

STEPS, BATCH, RATE = 300, 16, 5e-4
PIECE_SECONDS = 4.0  # recordings are cut into pieces, of which every fifth is held back for the measurement before and after
EVERY = 5
SHORTEST = 20.0  # seconds of all recordings together
CLIP_NORM = 1.0  # of the gradient


@dataclass
class Recordings:
    """Recordings in memory with the interface of `dataset.PairedSplit` that `dataset.Crops` needs. Inputs are made later: x is y."""

    arrays: list[np.ndarray]
    edge_hz: float = SR_HIGH / 2
    corpus: str = "your recordings"
    split: str = "train"

    @cached_property
    def utterances(self) -> list[Utterance]:
        """The recordings, as if one speaker had spoken all."""
        return [Utterance(str(i), "speaker", 0, len(a), edge_hz=self.edge_hz) for i, a in enumerate(self.arrays)]

    def __len__(self) -> int:
        return len(self.arrays)

    def by_speaker(self) -> dict[str, list[int]]:
        """Return the indices of the recordings of each speaker."""
        return {"speaker": list(range(len(self.arrays)))}

    def read(self, index: int, start: int = 0, length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return `length` samples from `start`, twice, ``(T,)`` float32 each."""
        part = self.arrays[index][start : None if length is None else start + length].astype(np.float32)
        return part, part


def train_steps(
    predictor: Predictor,
    optimizer: torch.optim.Optimizer,
    crops: Crops,
    steps: int,
    rate: float,
    on_step: Callable[[int], None] | None = None,
) -> None:
    """Train a light network without log and checkpoints. The learning rate ends at 0; `on_step` gets the number of each step."""
    batches, objective = VariedBatches(HostBatches(crops, "cpu")), EnvelopeLoss()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * cosine(step, steps)
        x, y = batches(step)
        train_step(predictor, objective, optimizer, x, y, CLIP_NORM, torch.from_numpy(crops.edges_hz(step)).float())
        if on_step is not None:
            on_step(step + 1)


def adapt(
    model: LightNet,
    recordings: list[np.ndarray],
    *,
    edge_hz: float = SR_HIGH / 2,
    steps: int = STEPS,
    seed: int = 0,
    on_step: Callable[[int], None] | None = None,
) -> tuple[LightNet, dict[str, float]]:
    """Return a copy of a network that was trained further on some recordings, and how much better it got on a part held back.

    Parameters
    ----------
    model : trained network.
    recordings : full-band recordings of one microphone, room or voice, (T,) at 44.1 kHz each.
    edge_hz : where their band ends; nothing is learned above.
    steps : number of training steps.
    seed : of all draws.
    on_step : gets the number of each step.

    Returns
    -------
    network, and dict with "seconds" trained on, "loss_before" and "loss_after", the error of the levels on the part held back, in bels.

    Raises
    ------
    StudyError : the recordings are too short, or not finite.
    """
    total = sum(map(len, recordings)) / SR_HIGH
    if total < SHORTEST:
        raise StudyError(f"The recordings last {total:.1f} s: give at least {SHORTEST:.0f} s of the same microphone or voice.")
    if not all(np.isfinite(r).all() for r in recordings):
        raise StudyError("A recording has NaN or infinite samples: repair it, or leave it out.")
    length = round(PIECE_SECONDS * SR_HIGH)
    pieces = [r[begin : begin + length] for r in recordings for begin in range(0, len(r), length)]
    pieces = [p for p in pieces if len(p) >= SR_HIGH]
    held = [p for p in pieces[EVERY - 1 :: EVERY]]
    kept = [p for k, p in enumerate(pieces) if k % EVERY != EVERY - 1]
    crops = Crops(Recordings(kept, edge_hz), BATCH, SR_HIGH, seed)
    predictor = Predictor(copy.deepcopy(model)).train()
    before = held_loss(predictor, held, edge_hz)
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=RATE, weight_decay=1e-2)
    train_steps(predictor, optimizer, crops, steps, RATE, on_step)
    after = held_loss(predictor, held, edge_hz)
    report = {"seconds": sum(map(len, kept)) / SR_HIGH, "loss_before": before, "loss_after": after}
    return predictor.network.eval(), report


def held_loss(predictor: nn.Module, pieces: list[np.ndarray], edge_hz: float) -> float:
    """Return the mean error of the levels over the middle second of each piece, in bels."""
    middles = [p[(len(p) - SR_HIGH) // 2 :][:SR_HIGH] for p in pieces]
    y = torch.from_numpy(np.stack(middles).astype(np.float32))[:, None]
    return validate(predictor, EnvelopeLoss(), plain_inputs(y), y, BATCH, torch.full((len(y),), edge_hz))["loss"]
