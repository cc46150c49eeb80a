"""The network made cheaper must stay the same network; counts and memory against closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from audiosr_lib import inference, metrics, resampling, timing, training
from audiosr_lib.unet import count_parameters


@pytest.fixture(scope="module")
def model():
    """A network whose batch norms have statistics of their own, so that leaving one out would show."""
    net = training.new_model(0)
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
    thin = inference.folded(model)
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
        inference.folded(training.new_model(0).train())


def test_multiplications_of_a_known_layer_and_of_the_network(model):
    layer = nn.Sequential(nn.Conv1d(1, 4, kernel_size=3, padding=1), nn.Conv1d(4, 2, kernel_size=5, stride=2, padding=2))
    assert inference.multiply_accumulates(layer, 100) == 100 * 4 * 3 + 50 * 2 * 4 * 5
    one, two = (inference.multiply_accumulates(model, n) for n in (12800, 25600))
    assert two == 2 * one  # lengths that halve seven times without a rest
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize("name", ["kaiser_fast", "kaiser_best"])
def test_polyphase_is_the_filter_by_hand(name):
    filt = resampling.shipped_filter(name)
    x = np.random.default_rng(3).standard_normal(777)
    y = inference.Polyphase(filt)(torch.from_numpy(x).float()[None, None])
    assert y.shape == (1, 1, 2 * len(x))
    np.testing.assert_allclose(y[0, 0].numpy(), resampling.upsample_by_two(x, filt), atol=5e-6)


def test_memory_counts_what_is_held_and_what_passes():
    held = timing.peak_memory_bytes(lambda: np.ones(5_000_000))  # 40 MB, returned
    passing = timing.peak_memory_bytes(lambda: np.ones(10_000_000).sum() and np.ones(10_000_000).sum())  # 80 MB, twice, one after the other
    assert 30e6 < held < 80e6
    assert 60e6 < passing < 140e6
    with pytest.raises(ZeroDivisionError):
        timing.peak_memory_bytes(lambda: 1 / 0)


def test_visqol_orders_what_a_listener_would(speech):
    pytest.importorskip("visqol", reason="ViSQOL is optional")
    y = np.concatenate([speech, speech[::-1]])  # two seconds
    noisy = y + 0.05 * np.random.default_rng(4).standard_normal(len(y))
    same, narrow, rough = metrics.visqol(y, y), metrics.visqol(resampling.interpolate(resampling.degrade(y)), y), metrics.visqol(noisy, y)
    assert same > 4.5 > narrow and same > rough > 1
    with pytest.raises(ValueError, match=r"at least 1\.2 s"):
        metrics.visqol(y[:44100], y[:44100])
