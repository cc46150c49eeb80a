"""Adaptation: it learns a microphone from its own recordings, on a part that was held back, and leaves the network it began with."""

import numpy as np
import pytest
import torch

from audiosr_lib import signals
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.base.errors import StudyError
from audiosr_lib.light import LightNet
from audiosr_lib.training import adaptation, networks


@pytest.fixture(scope="module")
def recordings():
    rng = np.random.default_rng(0)
    return [signals.synthetic_speech(8.0, SR_HIGH, rng) for _ in range(4)]


def test_a_held_part_gets_better(recordings):
    model = networks.new_model(0, lambda: LightNet(width=16, blocks=1, frames=2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    seen = []
    made, report = adaptation.adapt(model, recordings, steps=60, on_step=seen.append)
    assert seen == list(range(1, 61)) and not made.training
    assert report["loss_after"] < 0.9 * report["loss_before"]
    assert report["seconds"] == pytest.approx(32 * 7 / 8)  # of eight pieces of 4 s, one is held back
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    again, _ = adaptation.adapt(model, recordings, steps=60)
    assert all(torch.equal(a, b) for a, b in zip(made.parameters(), again.parameters(), strict=True))


def test_what_cannot_be_learned_from_is_refused(recordings):
    model = LightNet(width=16, blocks=1)
    with pytest.raises(StudyError, match=r"The recordings last 16.0 s: give at least 20 s"):
        adaptation.adapt(model, recordings[:2])
    with pytest.raises(StudyError, match="NaN or infinite"):
        adaptation.adapt(model, [*recordings, np.full(SR_HIGH, np.nan)])
