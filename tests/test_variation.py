"""Random versions of pairs: the filters against the resamplers, pairs that belong together, and the same versions for the same step."""

import numpy as np
import pytest
import torch

from audiosr_lib import resampling
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.data.dataset import Crops, PairedSplit
from audiosr_lib.training import variation
from audiosr_lib.training.batches import HostBatches

T = SR_HIGH  # samples


def db(part: torch.Tensor, whole: torch.Tensor) -> float:
    """Energy of a part relative to that of the whole."""
    return float(10 * torch.log10(part.abs().square().sum() / whole.abs().square().sum()))


@pytest.fixture
def targets():
    return 0.1 * torch.randn(8, T, generator=torch.Generator().manual_seed(0))


def test_inputs_are_those_of_the_resamplers(targets):
    """kaiser_fast down, soxr up, away from the ends, where a crop is continued by itself here and by silence there."""
    made = variation.plain_inputs(targets[:1, None])[0, 0].numpy()
    real = resampling.interpolate(resampling.degrade(targets[0].numpy()), "soxr_vhq")
    inner = slice(2000, -2000)
    error = np.linalg.norm(made[inner] - real[inner]) / np.linalg.norm(real[inner])
    assert error < 3e-3  # soxr fades from 10.9 kHz on, where white noise still has a trace


@pytest.mark.parametrize("method", ["kaiser_fast", "kaiser_best"])
def test_response_is_that_of_the_filter(method):
    """A sine through the library loses what the response says."""
    response = variation.response_of(method, T)
    assert response[0] == pytest.approx(1, abs=1e-4)
    for hz in (5000, 9800, 10400):
        tone = np.sin(2 * np.pi * hz * np.arange(T) / SR_HIGH)
        low = resampling.degrade(tone, method)[2000:-2000]
        assert np.sqrt(2 * np.mean(low**2)) == pytest.approx(float(response[hz]), abs=2e-3)


def test_what_a_filter_lets_through_comes_back_as_an_alias(targets):
    spectrum = torch.fft.rfft(targets)
    low = variation.low_passed(spectrum, torch.ones(T // 2 + 1), T)
    halved = torch.fft.rfft(targets[:, ::2])  # every second sample
    torch.testing.assert_close(low[:, : T // 4], 2 * halved[:, : T // 4], rtol=0, atol=1e-2)  # of values of the order of 100
    assert (low[:, T // 4 + 1 :] == 0).all()


def test_pairs_belong_together(targets):
    """Below 8.8 kHz the input is the target, but for rounding to 16 bit and aliases; above 11.025 kHz it is empty."""
    x, y = variation.vary(targets, np.random.default_rng(0))
    assert x.shape == y.shape == targets.shape
    hz = torch.fft.rfftfreq(T, 1 / SR_HIGH)
    for x_k, y_k in zip(torch.fft.rfft(x), torch.fft.rfft(y), strict=True):
        assert db((x_k - y_k)[hz < 8800], y_k[hz < 8800]) < -35
        assert db(x_k[hz > 11100], x_k) < -50
    assert (x * 32768 == (x * 32768).round()).all()
    levels = y.square().mean(1)
    assert levels.min() < 0.5 * levels.max()  # gains differ
    with pytest.raises(ValueError, match="give a multiple of 4"):
        variation.vary(targets[:, : T - 2], np.random.default_rng(0))


def test_silence_gets_noise_in_half_of_the_versions():
    _, y = variation.vary(torch.zeros(64, 4096), np.random.default_rng(1))
    noisy = y.abs().amax(1) > 0
    assert 20 < noisy.sum() < 44
    rms_db = 10 * torch.log10(y[noisy].square().mean(1))
    assert rms_db.min() > -116 and rms_db.max() < -60  # -105 to -70, and the tilt of the noise


def test_the_same_recordings_get_another_version_in_another_step(prepared):
    crops = Crops(PairedSplit(prepared.name, "train"), 2, 4096, 0)
    same = HostBatches(crops, "cpu")(0)

    class Same:
        """Batches that are the same in every step."""

        def __call__(self, step):
            return same

    batches = Same()
    batches.crops = crops
    varied = variation.VariedBatches(batches)
    assert not torch.equal(varied(7)[1], varied(8)[1])


def test_versions_depend_on_seed_and_step_only(prepared):
    split = PairedSplit(prepared.name, "train")

    def batch(seed, step):
        return variation.VariedBatches(HostBatches(Crops(split, 2, 4096, seed), "cpu"))(step)

    for a, b in zip(batch(0, 7), batch(0, 7), strict=True):
        assert a.shape == (2, 1, 4096) and torch.equal(a, b)
    assert not torch.equal(batch(0, 7)[1], batch(0, 8)[1]) and not torch.equal(batch(0, 7)[1], batch(1, 7)[1])
