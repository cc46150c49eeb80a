"""The light network: its transform, bands, texture and synthesis against independent computations; its loss; that it can learn."""

import numpy as np
import pytest
import torch

from audiosr_lib import light, resampling
from audiosr_lib.base import checkpoints
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.inference import chunks, deploy, systems
from audiosr_lib.light import BAND, BANDS, BINS, END, FIRST, HOP, N_FFT, SHIFT, EnvelopeLoss, LightNet, Predictor
from audiosr_lib.training import networks
from audiosr_lib.unet import UNet, count_parameters

WINDOW = torch.hann_window(N_FFT, dtype=torch.float64)


def noise(seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    """White noise of RMS 0.1, (1, T) in double precision."""
    return 0.1 * torch.randn(1, int(seconds * SR_HIGH), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def interpolated(seconds: float = 1.0, seed: int = 0) -> torch.Tensor:
    """White noise as the network meets it, without a band above 11 kHz, (1, T)."""
    x = resampling.interpolate(resampling.degrade(noise(seconds, seed)[0].numpy()), "soxr_vhq")
    return torch.from_numpy(x)[None]


@pytest.fixture(scope="module")
def model():
    return networks.new_model(0, lambda: LightNet(frames=2)).eval()


def test_spectrum_is_that_of_torch():
    x = noise()
    mine = light.stft(x, WINDOW)
    theirs = torch.stft(x, N_FFT, HOP, window=WINDOW, center=True, return_complex=True).transpose(1, 2)
    # frame m is centred on sample 256 (m - 1); torch's on 256 m, with reflected ends
    torch.testing.assert_close(mine[:, 3:-6], theirs[:, 2 : mine.shape[1] - 7], rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [1, 255, 256, 1000, 44100])
def test_every_sample_comes_back(length):
    x = noise()[:, :length]
    torch.testing.assert_close(light.istft(light.stft(x, WINDOW), WINDOW, length), x, rtol=0, atol=1e-14)


def test_levels_of_bands_are_means_of_power():
    power = light.power_of(light.stft(noise(), WINDOW))
    levels = light.band_levels(power)
    assert levels.shape == (1, power.shape[1], BANDS)
    for j in (0, 17, BANDS - 1):
        expected = np.log10(power[0, :, FIRST + j * BAND : FIRST + (j + 1) * BAND].numpy().mean(axis=1))
        np.testing.assert_allclose(levels[0, :, j].numpy(), expected, rtol=1e-12)
    assert (light.band_levels(torch.zeros(1, 2, BINS)) == -8).all()


def test_levels_lie_on_straight_lines_between_the_centres_of_bands():
    bands = torch.randn(1, 3, BANDS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    bins = light.to_bins(bands)
    centres = FIRST + BAND * np.arange(BANDS) + (BAND - 1) / 2
    for m in range(3):
        expected = np.interp(np.arange(FIRST, END), centres, bands[0, m].numpy())
        np.testing.assert_allclose(bins[0, m].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("copy", [1, 2, 3])
def test_a_copied_tone_stays_a_tone(copy):
    """A shift of a whole number of turns a hop: the copied bins of a sine are those of a sine SHIFT bins higher, up to its phase."""
    bin_ = 150.3
    t = torch.arange(SR_HIGH, dtype=torch.float64)
    spectrum = light.stft(torch.sin(2 * torch.pi * bin_ / N_FFT * t)[None], WINDOW)
    copied = torch.zeros_like(spectrum)
    into = slice(FIRST + (copy - 1) * SHIFT, min(FIRST + copy * SHIFT, BINS))
    copied[..., into] = spectrum[..., FIRST - SHIFT : FIRST - SHIFT + into.stop - into.start]
    made = light.istft(copied, WINDOW, SR_HIGH)[0, 2 * N_FFT : -2 * N_FFT]
    tone = torch.exp(2j * torch.pi * (bin_ + copy * SHIFT) / N_FFT * t[2 * N_FFT : -2 * N_FFT])
    amplitude = (made * tone.conj()).mean()
    rest = made - 2 * (amplitude * tone).real
    assert 2 * amplitude.abs() == pytest.approx(1, abs=1e-3) and rest.abs().max() < 1e-3  # the window spreads over all bins a little


def test_texture_is_flat_and_has_mean_power_one():
    x = noise(4.0)
    tilted = torch.fft.irfft(torch.fft.rfft(x) * torch.linspace(1, 0.01, x.shape[1] // 2 + 1), n=x.shape[1])
    power = light.power_of(light.texture(light.stft(tilted, WINDOW)))[0, 4:-4]
    assert power.shape[1] == END - FIRST
    by_bin = power.mean(0)
    assert power.mean() == pytest.approx(1, abs=0.02) and by_bin.min() > 0.8 and by_bin.max() < 1.25


def test_filled_bands_have_the_wanted_levels_and_the_rest_is_untouched():
    x = interpolated(4.0)
    spectrum = light.stft(x, WINDOW)
    # 0.6 is about the level of the noise itself, so the new band is as loud as the known one: far louder than in speech
    wanted = torch.linspace(0.6, -3.4, BANDS, dtype=torch.float64).expand(1, spectrum.shape[1], -1)
    y = light.istft(light.fill(spectrum, wanted), WINDOW, x.shape[1])
    got = 10 * light.band_levels(light.power_of(light.stft(y, WINDOW))).mean(1)[0] - 10 * wanted[0, 0]
    # dB; a band of noise has a random power, whose mean logarithm lies below the logarithm of its mean
    assert got.abs().max() < 1.5, got
    assert (light.fill(spectrum, wanted)[..., END:] == spectrum[..., END:]).all()
    hz, taper = torch.fft.rfftfreq(x.shape[1], 1 / SR_HIGH), torch.hann_window(x.shape[1], dtype=x.dtype)
    changed, before = (torch.fft.rfft(s * taper)[0][hz < 8700].abs().square().sum() for s in (y - x, x))
    assert 10 * torch.log10(changed / before) < -60


@pytest.mark.parametrize(("faded_db", "restored_db"), [(20, 20), (40, 30)])
def test_what_a_filter_has_faded_comes_back_with_its_phase(faded_db, restored_db):
    """A steady tone at 9.5 kHz is amplified to its wanted level, by at most 30 dB. No texture is at hand: the band below is empty."""
    t = torch.arange(SR_HIGH, dtype=torch.float64)
    tone = torch.cos(2 * torch.pi * 9500 / SR_HIGH * t)[None]
    wanted = light.band_levels(light.power_of(light.stft(tone, WINDOW)))
    spectrum = light.stft(10 ** (-faded_db / 20) * tone, WINDOW)
    y = light.istft(light.fill(spectrum, wanted, torch.zeros(*wanted.shape[:2], END - FIRST, dtype=spectrum.dtype)), WINDOW, SR_HIGH)
    inner = slice(4096, -4096)
    gain = (y[0, inner] * tone[0, inner]).sum() / tone[0, inner].square().sum() * 10 ** (faded_db / 20)
    # the levels are interpolated between bands and averaged over bins, which costs a narrow line a few dB
    assert restored_db - 6 < 20 * torch.log10(gain) < restored_db + 1


def test_silence_stays_silent(model):
    with torch.inference_mode():
        assert (model(torch.zeros(1, 1, 30000)) == 0).all()


@pytest.mark.parametrize("length", [1, 511, 512, 30001])
def test_any_length_and_batch(model, length):
    with torch.inference_mode():
        assert model(0.1 * torch.randn(2, 1, length)).shape == (2, 1, length)
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 1, samples\)"):
        model(torch.zeros(2, length))


def test_number_of_parameters(model):
    """From the formulas, and below 1.5 million."""
    d, f = 128, model.frames
    block = (7 * d + d) + 2 * d + (d * 3 * d + 3 * d) + (3 * d * d + d) + d
    assert count_parameters(model) == (light.KNOWN * d * 3 * f + d) + 5 * block + 2 * d + (d * BANDS * f + BANDS * f) < 1_500_000


def test_a_network_is_recognised_by_its_weights(tmp_path):
    small = networks.new_model(3, lambda: LightNet(width=16, blocks=2, frames=4))
    file = tmp_path / "small.safetensors"
    checkpoints.write_weights(file, small.state_dict())
    loaded = systems.load_model(file)
    assert (loaded.frames, len(loaded.blocks), loaded.last.in_features) == (4, 2, 16)
    assert light.network_of(UNet().state_dict()) is None
    x = 0.1 * torch.randn(1, 1, 5000, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(loaded(x), small(x), rtol=0, atol=1e-3)  # half precision


def test_loss_is_the_difference_of_levels():
    """10 dB are one bel; a band above the edge of a target does not count."""
    y = noise()[:, None]
    levels = light.band_levels(light.power_of(light.stft(y[:, 0], WINDOW)))
    loss = EnvelopeLoss().double()
    assert loss(levels, y).loss.item() == pytest.approx(0, abs=1e-6)  # its window is rounded to single precision
    assert loss(levels - 1, y).loss.item() == pytest.approx(2 * light.QUANTILE)
    levels[..., 20:] += 0.5  # from bin 368, 15.8 kHz, up
    assert loss(levels, y).loss.item() == pytest.approx(2 * (1 - light.QUANTILE) * 0.5 * 16 / 36)
    assert loss(levels, y, torch.tensor([20000.0])).loss == loss(levels, y).loss  # complete
    assert loss(levels, y, torch.tensor([15000.0])).loss.item() == pytest.approx(0, abs=1e-6)  # its window is rounded to single precision
    assert loss(levels, y, torch.tensor([1000.0])).loss == 0  # no band is left


def test_it_learns(speech):
    """On one recording, from the start to less than half of the loss."""
    model = networks.new_model(0, lambda: LightNet(width=32, blocks=2)).train()
    predictor = Predictor(model)
    y = torch.from_numpy(speech).float()[None, None]
    x = torch.from_numpy(resampling.interpolate(resampling.degrade(speech), "soxr_vhq")).float()[None, None]
    objective, optimizer = EnvelopeLoss(), torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        terms = objective(predictor(x), y)
        terms.loss.backward()
        optimizer.step()
        losses.append(terms.loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_parts_join_without_seams(model):
    """A part has the output that it has in the whole; rounding only, where the sums of a moving average have another order."""
    network = deploy(model)
    x = interpolated(3.0)[0].numpy()
    whole = systems.enhance(model, x)
    for seconds in (0.3, 1.0):
        parts = chunks.enhance_long(network, x, part_seconds=seconds)
        assert np.abs(parts - whole).max() < 1e-4 * np.abs(whole).max()
    low = resampling.degrade(noise(2.0)[0].numpy().astype(np.float32))
    np.testing.assert_allclose(chunks.super_resolve_long(network, low), systems.super_resolve(model, low), atol=1e-5)
    with pytest.raises(ValueError, match="begin at a multiple of 512"):
        network(torch.zeros(1, 1, 1000), 100)
