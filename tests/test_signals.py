"""Bands and shares of energy: known tones in, known parts out."""

import numpy as np
import pytest
import scipy.signal

from audiosr_lib import signals

SR = 44100


def test_band_takes_tones_apart():
    low, high = signals.sine(1000, 0.5, SR, 0.5), signals.sine(15000, 0.5, SR, 0.25)
    np.testing.assert_allclose(signals.band(low + high, SR, 0, 11025), low, atol=1e-10)
    np.testing.assert_allclose(signals.band(low + high, SR, 11025, SR), high, atol=1e-10)
    np.testing.assert_allclose(signals.band(low + high, SR, 15000, 15000.5), high, atol=1e-10)  # from low_hz on ...
    np.testing.assert_allclose(signals.band(low + high, SR, 2000, 15000), 0, atol=1e-10)  # ... to just below high_hz


def test_band_agrees_with_scipys_resampling(speech):
    """Oracle: Fourier resampling by two is an ideal low-pass at half the Nyquist frequency; it treats the bin at the edge otherwise."""
    np.testing.assert_allclose(signals.band(speech, SR, 0, SR / 4)[::2], scipy.signal.resample(speech, len(speech) // 2), atol=1e-3)


@pytest.mark.parametrize("length", [1000, 1001])
def test_bands_add_up_to_the_signal(speech, length):
    x = speech[:length]
    parts = [signals.band(x, SR, a, b) for a, b in ((0, 300), (300, 11025), (11025, SR))]
    assert all(p.shape == x.shape for p in parts)
    np.testing.assert_allclose(sum(parts), x, atol=1e-12)
    np.testing.assert_allclose(signals.band(signals.band(x, SR, 300, 11025), SR, 300, 11025), parts[1], atol=1e-12)


def test_no_such_band(speech):
    for low_hz, high_hz in ((-1, 100), (200, 100)):
        with pytest.raises(ValueError, match="no band"):
            signals.band(speech, SR, low_hz, high_hz)


def test_share_of_two_tones():
    """Closed form: amplitudes 3 and 1 have energies 9 and 1."""
    x = signals.sine(1000, 0.5, SR, 0.75) + signals.sine(15000, 0.5, SR, 0.25)
    assert signals.share_above(x, SR, 11025) == pytest.approx(0.1)
    assert signals.share_above(x, SR, 15000) == pytest.approx(0.1)
    assert signals.share_above(x, SR, 15002) == pytest.approx(0, abs=1e-12)
    assert signals.share_above(x, SR, 0) == 1


@pytest.mark.parametrize("length", [1000, 1001])
@pytest.mark.parametrize("fade", [0.0, 0.1, 1.0])
def test_share_is_the_energy_of_the_band(speech, length, fade):
    """Oracle: energies in time, of the faded signal. An offset makes the bin without a mirror image count."""
    x = (speech[:length] + 0.1) * scipy.signal.windows.tukey(length, fade)
    for freq_hz in (20, 4000, 11025):
        expected = np.sum(signals.band(x, SR, freq_hz, SR) ** 2) / np.sum(x**2)
        assert signals.share_above(speech[:length] + 0.1, SR, freq_hz, fade) == pytest.approx(expected, rel=1e-9)


def test_fading_hides_the_cut():
    x = signals.sine(1000.7, 0.1, SR)  # not a whole number of periods
    assert signals.share_above(x, SR, 11025, fade=0.1) < 1e-3 * signals.share_above(x, SR, 11025)


def test_silence_has_no_share():
    with pytest.raises(ValueError, match="silent"):
        signals.share_above(np.zeros(100), SR, 1000)
