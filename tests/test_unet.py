"""The network's contract: shapes, parameters, gradients, and that it can learn."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from audiosr_lib.losses import Objective
from audiosr_lib.training import loop
from audiosr_lib.unet import CHANNELS, count_parameters


@pytest.fixture(scope="module")
def model():
    return loop.new_model(0)


def test_parameter_count(model):
    """17,850,593, and the same from the formulas: 3 a b + b a convolution, 2 b a batch norm."""

    def block(a, b):
        return (3 * a * b + b + 2 * b) + (3 * b * b + b + 2 * b)

    down = block(1, 16) + sum(block(a, b) for a, b in itertools.pairwise(CHANNELS))
    up = sum(block(a, b) for a, b in ((2048, 512), (1024, 256), (512, 128), (256, 64), (128, 32), (64, 16), (32, 16)))
    assert count_parameters(model) == down + up + 17 == 17_850_593


@pytest.mark.parametrize("length", [1, 127, 128, 1000, 4097, 22050])
@pytest.mark.parametrize("batch", [1, 2])
def test_any_length(model, length, batch):
    with torch.inference_mode():
        assert model.eval()(torch.randn(batch, 1, length)).shape == (batch, 1, length)


def test_seven_levels_halve_the_time_axis(model):
    shapes = []
    hooks = [b.register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:]))) for b in model.down]
    with torch.inference_mode():
        model.eval()(torch.randn(1, 1, 44100))
    for h in hooks:
        h.remove()
    lengths = [44100]
    for _ in range(7):
        lengths.append(-(-lengths[-1] // 2))
    assert shapes == list(zip(CHANNELS[1:], lengths[1:], strict=True))


def test_each_convolution_is_followed_by_batch_norm_and_relu(model):
    kinds = [type(m) for m in model.modules() if isinstance(m, nn.Conv1d | nn.BatchNorm1d | nn.ReLU)]
    assert kinds == [nn.Conv1d, nn.BatchNorm1d, nn.ReLU] * 30 + [nn.Conv1d]
    assert sum(isinstance(m, nn.ConvTranspose1d) for m in model.modules()) == 0
    assert [(m.scale_factor, m.mode, m.align_corners) for m in model.modules() if isinstance(m, nn.Upsample)] == [(2, "linear", True)] * 7


def test_residual_output():
    model = loop.new_model(0).eval()
    nn.init.zeros_(model.final.weight)
    nn.init.zeros_(model.final.bias)
    x = torch.randn(1, 1, 3000)
    with torch.inference_mode():
        torch.testing.assert_close(model(x), x, rtol=0, atol=0)


def test_batch_size_invariance(model):
    x = torch.randn(3, 1, 2048, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together = model.eval()(x)
        alone = torch.cat([model(part) for part in x.split(1)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_gradient_reaches_every_parameter():
    model = loop.new_model(0).train()
    y = 0.1 * torch.randn(2, 1, 4096)
    Objective()(model(y + 0.01 * torch.randn_like(y)), y).loss.backward()
    # A bias in front of a batch norm has no effect, hence a gradient of rounding size: it must be there, not be large.
    assert all(p.grad is not None for p in model.parameters())
    assert all(p.grad.abs().max() > 0 for name, p in model.named_parameters() if name.endswith("weight"))


def test_overfits_one_batch():
    model = loop.new_model(0).train()
    rng = np.random.default_rng(0)
    y = torch.from_numpy(0.1 * rng.standard_normal((1, 1, 4096))).float()
    x = torch.from_numpy(np.repeat(y.numpy()[..., ::2], 2, axis=-1))
    objective, optimizer = Objective(), torch.optim.Adam(model.parameters(), lr=1e-3)
    trail = [loop.train_step(model, objective, optimizer, x, y, 10.0)[0].item() for _ in range(40)]
    assert min(trail[-5:]) < 0.5 * trail[0]


def test_refuses_other_shapes(model):
    with pytest.raises(ValueError, match="batch, 1, samples"):
        model(torch.randn(1, 2, 1000))
    with pytest.raises(ValueError, match="batch, 1, samples"):
        model(torch.randn(1, 1000))
