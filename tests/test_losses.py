"""The objective against librosa, SciPy-style sums and auraloss.

Tolerances: 1e-4 relative, for torch computes the STFT in float32 and the logarithm of near-silent bins magnifies its rounding.
"""

import auraloss
import librosa
import numpy as np
import pytest
import torch

from audiosr_lib import losses, signals
from audiosr_lib.losses import TABLE_1, MultiResolutionSTFTLoss, Objective, STFTLoss


@pytest.fixture
def pair(speech):
    rng = np.random.default_rng(0)
    return speech + 0.02 * rng.standard_normal(len(speech)), speech


def as_batch(x):
    return torch.from_numpy(np.asarray(x, dtype=np.float32))[None]


def by_librosa(y_hat, y, r):
    def magnitude(x):
        power = np.abs(librosa.stft(x, n_fft=r.n_fft, hop_length=r.hop_length, win_length=r.win_length, pad_mode="reflect")) ** 2
        return np.sqrt(np.maximum(power, losses.LOSS_CLAMP))

    a, b = magnitude(y_hat), magnitude(y)
    return np.linalg.norm(b - a) / np.linalg.norm(b), np.mean(np.abs(np.log(b) - np.log(a)))


@pytest.mark.parametrize("resolution", TABLE_1, ids=lambda r: str(r.n_fft))
def test_one_resolution_is_librosas(pair, resolution):
    ours = STFTLoss(resolution)(*(as_batch(s) for s in pair))
    assert [v.item() for v in ours] == pytest.approx(by_librosa(*pair, resolution), rel=1e-4)


def test_table_1():
    assert [(r.n_fft, r.win_length, r.hop_length) for r in TABLE_1] == [(512, 240, 50), (1024, 600, 120), (2048, 1200, 240)]


def test_mean_over_resolutions_is_auraloss(pair):
    theirs = auraloss.freq.MultiResolutionSTFTLoss(
        fft_sizes=[r.n_fft for r in TABLE_1],
        hop_sizes=[r.hop_length for r in TABLE_1],
        win_lengths=[r.win_length for r in TABLE_1],
        eps=losses.LOSS_CLAMP,
    )
    y_hat, y = (as_batch(s)[:, None] for s in pair)
    convergence, magnitude = MultiResolutionSTFTLoss()(y_hat[:, 0], y[:, 0])
    assert (convergence + magnitude).item() == pytest.approx(theirs(y_hat, y).item(), rel=1e-3)


def test_objective_is_the_weighted_sum(pair):
    y_hat, y = (as_batch(s)[:, None] for s in pair)
    terms = Objective(100.0)(y_hat, y)
    assert terms.mse_loss.item() == pytest.approx(np.mean((pair[0] - pair[1]) ** 2), rel=1e-4)
    total = 100 * terms.mse_loss + terms.spectral_convergence + terms.log_magnitude
    assert terms.loss.item() == pytest.approx(total.item())
    assert tuple(terms.as_dict()) == losses.LOSS_NAMES


def test_zero_for_equal_signals(speech):
    y = as_batch(speech)[:, None]
    assert all(v.item() == 0 for v in Objective()(y, y).as_dict().values())


def test_convergence_does_not_depend_on_level(pair):
    y_hat, y = (as_batch(s) for s in pair)
    one = STFTLoss(TABLE_1[1])(y_hat, y)[0].item()
    assert STFTLoss(TABLE_1[1])(8 * y_hat, 8 * y)[0].item() == pytest.approx(one, rel=1e-4)


def test_silence_has_finite_gradient(speech):
    y_hat = torch.zeros(1, 1, len(speech), requires_grad=True)
    Objective()(y_hat, as_batch(speech)[:, None]).loss.backward()
    assert torch.isfinite(y_hat.grad).all()


def test_errors(speech):
    y = as_batch(speech)
    with pytest.raises(ValueError, match="two \\(batch, samples\\)"):
        MultiResolutionSTFTLoss()(y, y[:, :-1])
    with pytest.raises(ValueError, match="too few"):
        MultiResolutionSTFTLoss()(y[:, :1000], y[:, :1000])


def test_nothing_is_learned_from_above_an_edge(speech):
    """What differs above the edge only costs nothing and has no gradient; below it, the loss is that of the lower bins alone."""
    rng = np.random.default_rng(2)
    noise = signals.band(rng.standard_normal(len(speech)), 44100, 15_000, 44_100)
    y = torch.cat([as_batch(speech), as_batch(speech)])
    y_hat = (y + 0.1 * as_batch(noise)).requires_grad_()
    stft_loss = MultiResolutionSTFTLoss()
    for edges, silent in (([12_000, 12_000], True), ([12_000, 22_050], False)):
        convergence, magnitude = stft_loss(y_hat, y, torch.tensor(edges))
        (gradient,) = torch.autograd.grad(convergence + magnitude, y_hat)
        assert (magnitude.item() < 2e-2) == silent  # the windows of Table 1 spread a band over their side lobes
        above = [signals.rms(signals.band(g.numpy(), 44100, 14_000, 44_100)) for g in gradient.double()]
        assert above[1] > 20 * above[0] or silent  # where no edge is, the gradient has a part above 14 kHz
    open_edges = torch.full((2,), 22_050.0)
    assert [v.item() for v in stft_loss(y_hat, y, open_edges)] == [v.item() for v in stft_loss(y_hat, y)]
    objective = Objective()
    masked = objective(y_hat[:, None], y[:, None], torch.tensor([12_000, 12_000]))
    assert masked.mse_loss.item() == objective(y_hat[:, None], y[:, None]).mse_loss.item()  # a sum over samples knows no bands
