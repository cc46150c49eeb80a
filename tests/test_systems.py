"""The network made cheaper must stay the same network; counts and memory against closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from audiosr_lib import resampling
from audiosr_lib.inference import systems
from audiosr_lib.training import loop
from audiosr_lib.unet import count_parameters


@pytest.fixture(scope="module")
def model():
    """A network whose batch norms have statistics of their own, so that leaving one out would show."""
    net = loop.new_model(0)
    generator = torch.Generator().manual_seed(1)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm1d):
            m.running_mean.normal_(0, 0.1, generator=generator)
            m.running_var.uniform_(0.5, 2.0, generator=generator)
            m.weight.data.uniform_(0.5, 1.5, generator=generator)
            m.bias.data.normal_(0, 0.1, generator=generator)
    return net.eval()


def test_folding_changes_nothing_but_the_parameters(model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    thin = systems.fuse_batch_norm(model)
    x = torch.randn(2, 1, 3001, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        y, y_thin = model(x), thin(x)
    assert (y - y_thin).abs().max() < 1e-4 * y.abs().max()
    assert not any(isinstance(m, nn.BatchNorm1d) for m in thin.modules())
    norms = sum(m.weight.numel() + m.bias.numel() for m in model.modules() if isinstance(m, nn.BatchNorm1d))
    assert count_parameters(model) - count_parameters(thin) == norms > 0
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())  # the original is left alone


def test_folding_needs_evaluation_mode(model):
    with pytest.raises(ValueError, match="evaluation mode"):
        systems.fuse_batch_norm(loop.new_model(0).train())


def test_multiplications_of_a_known_layer_and_of_the_network(model):
    layer = nn.Sequential(nn.Conv1d(1, 4, kernel_size=3, padding=1), nn.Conv1d(4, 2, kernel_size=5, stride=2, padding=2))
    assert systems.multiply_accumulates(layer, 100) == 100 * 4 * 3 + 50 * 2 * 4 * 5
    one, two = (systems.multiply_accumulates(model, n) for n in (12800, 25600))
    assert two == 2 * one  # lengths that halve seven times without a rest


@pytest.mark.parametrize("name", ["kaiser_fast", "kaiser_best"])
def test_polyphase_is_the_filter_by_hand(name):
    filt = resampling.shipped_filter(name)
    x = np.random.default_rng(3).standard_normal(777)
    y = systems.Polyphase(filt)(torch.from_numpy(x).float()[None, None])
    assert y.shape == (1, 1, 2 * len(x))
    np.testing.assert_allclose(y[0, 0].numpy(), resampling.upsample_by_two(x, filt), atol=5e-6)
