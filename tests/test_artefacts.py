"""The artefacts: signals with one known fault each."""

import numpy as np
import pytest

from audiosr_lib import artefacts, signals

SR = 44100
UPPER = (11025, SR)
pytestmark = pytest.mark.filterwarnings("error")  # a mean of nothing or a division by zero is an error of its own


@pytest.fixture
def noise():
    return 0.1 * np.random.default_rng(4).standard_normal(SR)


def bursts(shift: int = 0, length: int = 4410, rng_seed: int = 1) -> np.ndarray:
    """Two seconds with four bursts of white noise that start every half second, or `shift` samples earlier."""
    x = np.zeros(2 * SR)
    for i in range(4):
        x[5000 + i * SR // 2 - shift :][:length] = 0.2 * np.random.default_rng([rng_seed, i]).standard_normal(length)
    return x


def test_equal_signals_have_no_artefacts():
    y = bursts() + 1e-4 * np.random.default_rng(0).standard_normal(2 * SR)
    result = artefacts.measure(y, y, 21000)
    assert list(result) == list(artefacts.MEASURES)
    assert all(result[name] == 0 for name in list(result)[:-1])
    assert result["beyond_edge_db"] == pytest.approx(10 * np.log10(1.05 / 22.05), abs=0.4)  # the share of white noise above 21 kHz


@pytest.mark.parametrize(("low", "high"), artefacts.BANDS_KHZ)
def test_level_error_shows_in_its_band(low, high, noise):
    """The window mixes the bins at both ends of a band: at most 4 of 93 bins, 0.2 dB of 6."""
    y_hat = noise + signals.band(noise, SR, 1000 * low, 1000 * high)  # twice the amplitude, +6.02 dB
    result = artefacts.measure(y_hat, noise)
    for a, b in artefacts.BANDS_KHZ:
        assert result[f"level_{a}_{b}_db"] == pytest.approx(6.02 if a == low else 0, abs=0.2)


def test_level_of_an_empty_band():
    y = signals.sine(10000, 1.0, SR) * np.hanning(SR)  # an abrupt end would have power in all bands
    result = artefacts.measure(0.5 * y, y)
    assert np.isnan(result["level_19_22_db"])
    assert result["level_9_11_db"] == pytest.approx(-6.02, abs=0.01)
    assert artefacts.measure(np.zeros(SR), y)["level_9_11_db"] == -120


def test_smearing_before_the_onset_is_positive():
    """5 of the 10 ms before the onset have the level of the burst, not the lowest that counts, 60 dB below the loudest frame.

    The windows weigh the middle of the 10 ms most, and the loudest frame is about 2 dB above the mean: roughly 52 dB.
    """
    assert artefacts.measure(bursts(shift=220), bursts())["onset_db"] == pytest.approx(52, abs=4)
    assert artefacts.measure(bursts(shift=-220), bursts())["onset_db"] == pytest.approx(0, abs=4)  # late, not smeared


def test_weak_smearing_is_weak():
    """Noise 40 dB below the burst comes before it, 20 dB above the lowest level that counts, re the loudest frame; see above."""
    pre = 0.01 * bursts(shift=1000, length=1000, rng_seed=2)
    assert artefacts.measure(bursts() + pre, bursts())["onset_db"] == pytest.approx(18, abs=2)


def test_onsets_are_found_where_they_are():
    x = bursts()
    x[40000:44410] = 0.01 * bursts()[5000:9410]  # a faint burst, 40 dB below the others, is none
    high = slice(67, None)  # bins of 172 Hz, 11.025 kHz is the 64th
    upper = artefacts._power(x, artefacts.SHORT_FFT, artefacts.SHORT_HOP)[high].sum(axis=0)
    found = artefacts.onsets(np.maximum(upper, 1e-6 * upper.max())) + 6
    middle = found * artefacts.SHORT_HOP + artefacts.SHORT_FFT // 2
    np.testing.assert_allclose(middle, 5000 + np.arange(4) * SR // 2, atol=2 * artefacts.SHORT_HOP)


def test_no_onset_is_nan(noise):
    assert np.isnan(artefacts.measure(noise, noise)["onset_db"])  # steady noise does not rise by 15 dB
    assert np.isnan(artefacts.measure(signals.band(bursts(), SR, 0, 10000), bursts())["onset_db"])  # the estimate has none of them
    swelling = 1.0 + np.repeat([0.0, 1e-11, 0.0], SR // 3) * np.resize([1, -1], SR)  # what rises in the upper band is rounding
    assert np.isnan(artefacts.measure(swelling, swelling)["onset_db"])


def test_level_in_pauses():
    """The pauses have noise 60 dB below the bursts. The estimate adds ten times its power in the upper band: 10.4 dB.

    In the few pauses that touch a burst it is less, 0.3 dB in the mean.
    """
    rng = np.random.default_rng(6)
    y = bursts(length=11025) + 2e-4 * rng.standard_normal(2 * SR)
    hiss = signals.band(2e-4 * np.sqrt(10) * rng.standard_normal(2 * SR), SR, *UPPER)
    result = artefacts.measure(y + hiss, y)
    assert result["pause_db"] == pytest.approx(10.4, abs=0.5)
    assert result["level_13_16_db"] == pytest.approx(0, abs=0.01)  # the hiss is far below the bursts


def test_digital_silence_has_the_level_of_the_clamp():
    """Hiss with a power of 1e-6 in each bin is 20 dB above the clamp of 1e-8."""
    hiss = np.sqrt(1e-6 / 768) * np.random.default_rng(7).standard_normal(2 * SR)  # 768 is the sum of the squared window
    assert artefacts.measure(bursts() + hiss, bursts())["pause_db"] == pytest.approx(20, abs=1)  # less where a burst begins


def test_no_pause_is_nan(noise):
    assert np.isnan(artefacts.measure(noise, noise)["pause_db"])


def test_energy_beyond_the_edge(noise):
    y = signals.band(noise, SR, 0, 16000)
    tone = signals.sine(18000, 1.0, SR, amplitude=0.01 * np.sqrt(2) * signals.rms(y))
    assert artefacts.measure(y + tone, y, 16000)["beyond_edge_db"] == pytest.approx(-40, abs=0.1)
    assert artefacts.measure(y, y, 16000)["beyond_edge_db"] < -60


@pytest.mark.parametrize("edge", [None, 21600.0, float("nan")])
def test_no_edge_is_nan(edge, noise):
    assert np.isnan(artefacts.measure(noise, noise, edge)["beyond_edge_db"])


def test_unusable_signals_are_refused(noise):
    with pytest.raises(ValueError, match="silent"):
        artefacts.measure(noise, np.pad([1.0], (SR - 1, 0)))  # no frame reaches the last 68 samples
    with pytest.raises(ValueError, match="one length"):
        artefacts.measure(noise, noise[1:])
    with pytest.raises(ValueError, match="too few"):
        artefacts.measure(noise[:2047], noise[:2047])
    with pytest.raises(ValueError, match="finite"):
        artefacts.measure(np.full(SR, np.inf), noise)
    assert set(artefacts.measure(noise[:2048], noise[:2048])) == set(artefacts.MEASURES)
