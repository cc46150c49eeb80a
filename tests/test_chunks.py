"""Recordings in parts: no seam, no growth, and clear refusals."""

import copy

import numpy as np
import pytest
import scipy.signal
import soundfile as sf
import torch

from audiosr_lib import metrics, resampling
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.inference import chunks
from audiosr_lib.inference.deployed import Deployed, upsample_part
from audiosr_lib.training import loop


@pytest.fixture(scope="module")
def model():
    """A network whose batch norms do something and whose correction is as large as its input."""
    network = loop.new_model(0)
    chance = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.running_mean.copy_(0.1 * torch.randn(layer.num_features, generator=chance))
            layer.running_var.copy_(0.2 + torch.rand(layer.num_features, generator=chance))
    with torch.no_grad():
        network.final.weight.mul_(8)
    return network.eval()


def noise(length: int) -> np.ndarray:
    return 0.3 * np.random.default_rng(length).standard_normal(length).astype(np.float32)


@torch.inference_mode()
def whole(model, x: np.ndarray) -> np.ndarray:
    """The plain network in double precision."""
    return copy.deepcopy(model).double()(torch.from_numpy(x)[None, None].double())[0, 0].numpy()


@pytest.fixture(scope="module")
def deployed(model):
    return Deployed(model)


@pytest.fixture(scope="module")
def double(model):
    return Deployed(copy.deepcopy(model).double(), torch.float64)


@pytest.mark.parametrize("length", [1, 127, 128, 44100, 60001, 131072, 130943])
def test_parts_make_the_whole(model, double, length):
    """In double precision, where nothing but the seams could differ; lengths odd, even, shorter than a part, ending right after one."""
    x = noise(length)
    expected = whole(model, x)
    for seconds in (0.5, 0.7):
        made = chunks.enhance_long(double, x, seconds)  # returns float32
        np.testing.assert_allclose(made, expected, atol=2e-7 * max(1, np.abs(expected).max()))


def test_in_single_precision_too(model, deployed):
    x = noise(5 * SR_HIGH)
    made = chunks.enhance_long(deployed, x, 1.0)
    expected = whole(model, x)
    assert np.abs(expected - x).max() > 0.5  # the network does something
    assert np.abs(made - expected).max() < 1e-4


def test_the_whole_system_in_parts(model, deployed):
    low = noise(3 * SR_LOW + 1)
    expected = whole(model, resampling.interpolate(low))
    assert np.abs(chunks.super_resolve_long(deployed, low, 0.5) - expected).max() < 1e-4
    assert chunks.super_resolve_long(deployed, low[:1]).shape == (2,)


def test_parts_without_their_place_do_not_make_the_whole(model):
    """What the module is for: the plain network on a part, context and all, is not what it is within the whole."""
    x = noise(2 * SR_HIGH)
    begin, end = 44032, 66048
    with torch.inference_mode():
        piece = torch.from_numpy(x[begin - Deployed.context : end + Deployed.context]).double()[None, None]
        alone = copy.deepcopy(model).double()(piece)[0, 0, Deployed.context : -Deployed.context].numpy()
    assert np.abs(alone - whole(model, x)[begin:end]).max() > 1e-3


def test_the_context_is_longer_than_the_network_sees(model):
    """One sample changed: the output changes nowhere beyond the context. The network's reach is measured, not assumed."""
    x, at = noise(2 * SR_HIGH), SR_HIGH
    other = x.copy()
    other[at] += 1
    changed = np.flatnonzero(np.abs(whole(model, x) - whole(model, other)) > 0)
    reach = max(at - changed[0], changed[-1] - at)
    assert 500 < reach < 1200 < Deployed.context


def upsampled(x, *numbers, wanted):
    """`upsample_part` with channels first."""
    return upsample_part(x.transpose(1, 2), *numbers, wanted).transpose(1, 2)


def test_upsampling_at_some_places_is_torchs():
    chance = torch.Generator().manual_seed(0)
    for length, odd in ((50, 0), (50, 1), (1, 0), (1, 1), (2, 1)):
        x = torch.randn(1, 3, length, dtype=torch.float64, generator=chance)
        full = torch.nn.functional.interpolate(x, scale_factor=2, mode="linear", align_corners=True)[..., odd:]
        torch.testing.assert_close(upsampled(x, 0, length, 0, 2 * length - odd, wanted=2 * length - odd), full)
    x = torch.randn(1, 3, 50, dtype=torch.float64, generator=chance)
    part = upsampled(x, 0, 50, 30, 100, wanted=40)
    torch.testing.assert_close(part, torch.nn.functional.interpolate(x, scale_factor=2, mode="linear", align_corners=True)[..., 30:70])


def test_wrong_parts_are_refused(model, deployed):
    with pytest.raises(ValueError, match="multiples of 128"):
        deployed(torch.zeros(1, 1, 256), 64, 1000)
    with pytest.raises(ValueError, match="multiples of 128"):
        deployed(torch.zeros(1, 1, 200), 128, 1000)
    with pytest.raises(ValueError, match="is too short"):
        chunks.enhance_long(deployed, noise(1000), 0.0)
    with pytest.raises(ValueError, match="evaluation mode"):
        Deployed(loop.new_model(0).train())


def test_half_precision_errs_far_below_the_sound(model, deployed):
    x = noise(SR_HIGH)
    exact = chunks.enhance_long(deployed, x)
    half = chunks.enhance_long(Deployed(model, torch.bfloat16), x)
    assert half.dtype == np.float32 and not np.array_equal(half, exact)
    assert metrics.snr_db(half, exact) > 35


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*exceeded full scale")  # which this network's corrections do
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_file_is_the_whole_system_on_every_channel(model, deployed, tmp_path, suffix):
    low = 0.3 * np.random.default_rng(3).standard_normal((2, SR_LOW)).clip(-1, 1)
    sf.write(tmp_path / "low.wav", low.T, SR_LOW, subtype="FLOAT")
    told = []
    seconds = chunks.super_resolve_file(deployed, tmp_path / "low.wav", tmp_path / f"high{suffix}", 0.2, told.append)
    made, sr = sf.read(tmp_path / f"high{suffix}")
    assert (sr, made.shape, seconds, sum(told)) == (SR_HIGH, (2 * SR_LOW, 2), 1.0, 2 * SR_LOW)
    for channel, signal in enumerate(low):
        expected = with_silences(model, signal.astype(np.float32)).clip(-1, 1)
        assert np.abs(made[:, channel] - expected).max() < 1e-4
    assert not list(tmp_path.glob("*.part"))


def with_silences(model, low: np.ndarray) -> np.ndarray:
    """What a file must hold, computed in one piece: the network sees silence on both sides, and what it adds is filtered and faded."""
    before, length = 2 * Deployed.context, 2 * len(low)
    x = resampling.interpolate(np.pad(low, (before // 2, Deployed.context // 2)))
    added = (whole(model, x) - x)[Deployed.context :]
    sos = scipy.signal.butter(2, 20, "highpass", fs=SR_HIGH, output="sos")
    filtered, _ = scipy.signal.sosfilt(sos, added, zi=scipy.signal.sosfilt_zi(sos) * added[0])
    ramp = (np.arange(length) + 1) / 441
    return x[before:][:length] + filtered[before - Deployed.context :][:length] * np.minimum(ramp, ramp[::-1]).clip(0, 1)


def test_a_failure_leaves_no_half_made_file(deployed, tmp_path, monkeypatch):
    sf.write(tmp_path / "low.wav", 0.1 * np.random.default_rng(0).standard_normal(SR_LOW), SR_LOW)

    def fails(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chunks.super_resolve_file(deployed, tmp_path / "low.wav", tmp_path / "high.wav", 0.2, fails)
    assert [p.name for p in tmp_path.iterdir()] == ["low.wav"]
