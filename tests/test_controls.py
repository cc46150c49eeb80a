"""The controls: known laws between the two bands are recovered, tones go where they should, and the known band stays as it is."""

import numpy as np
import pytest

from audiosr_lib import controls, metrics, resampling, signals, spectral

SR = 44100
X = signals.synthetic_speech(2.0, SR, np.random.default_rng(2))
Y = signals.synthetic_speech(2.0, SR, np.random.default_rng(3))


def known_band(x):
    return signals.band(x, SR, 0, controls.start_hz())


def noise_at_levels(levels_db, rng, low_hz=0, high_hz=SR):
    """Half a second of noise at each level, in one band, (T,)."""
    return np.concatenate([10 ** (v / 20) * signals.band(rng.standard_normal(SR // 2), SR, low_hz, high_hz) for v in levels_db])


@pytest.fixture(scope="module")
def fitted():
    x = resampling.round_trip(Y, resampling.shipped_filter("kaiser_fast"))
    return controls.fit_all(iter([(x, Y)]))  # an iterator: the pairs are read only once


def test_fit_covers_all_controls(fitted):
    assert tuple(fitted) == controls.CONTROLS


@pytest.mark.parametrize("name", controls.CONTROLS)
def test_known_band_is_untouched_and_upper_band_is_filled(name, fitted):
    """Rounding of sums over 10^5 samples in float64 stays below 1e-12."""
    estimate = fitted[name](X)
    assert estimate.shape == X.shape
    np.testing.assert_allclose(known_band(estimate), known_band(X), atol=1e-12)
    low = known_band(X)
    assert signals.rms(fitted[name](low) - low) > 1e-4
    assert fitted[name](X.astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("name", controls.CONTROLS)
def test_estimate_depends_on_the_index_only(name, fitted):
    np.testing.assert_array_equal(fitted[name](X, 3), fitted[name](X, 3))
    assert np.array_equal(fitted[name](X, 3), fitted[name](X, 4)) == (name != "noise")


@pytest.mark.parametrize("name", controls.CONTROLS)
def test_controls_beat_the_empty_band(name, fitted):
    x = resampling.round_trip(X, resampling.shipped_filter("kaiser_fast"))
    high = (SR / 4, SR)
    assert metrics.lsd(fitted[name](x), X, band_hz=high) < 0.7 * metrics.lsd(x, X, band_hz=high)


def test_noise_recovers_a_law_between_the_levels():
    """The upper band is 10 dB below the known one at 0 dB and moves half as fast: b = 0.5.

    Neighbouring frames of the four levels mix at their borders, 4 frames of 43; the slope may be off by about a tenth.
    """
    rng = np.random.default_rng(0)
    levels = np.array([0, -10, -20, -30])
    low, high = noise_at_levels(levels, rng, 0, 9500), noise_at_levels(-10 + 0.5 * levels, rng, 9572, SR)
    noise = controls.fit_all([(low, low + high)])["noise"]
    assert noise.slope[2:-2].mean() == pytest.approx(0.5, abs=0.05)
    estimate = noise(low)
    for i in range(4):  # the middle of each level; 0.5 dB: the law is fitted on 170 frames
        here = slice(i * SR // 2 + 4096, (i + 1) * SR // 2 - 4096)
        ratio = signals.rms(signals.band(estimate[here], SR, 11025, SR)) / signals.rms(signals.band(high[here], SR, 11025, SR))
        assert signals.db(ratio) == pytest.approx(0, abs=0.5)


def test_noise_adds_only_what_is_missing():
    """At a wanted power of 1 nothing is added to a band that has more, and the power of an empty band becomes 1."""
    bins = metrics.N_FFT // 2 + 1 - controls.first_bin()
    noise = controls.ShapedNoise(np.full(bins, -controls.LOG_OF_MEAN), np.zeros(bins))
    rng = np.random.default_rng(0)
    loud = noise_at_levels([20, 20], rng)
    assert signals.rms(noise(loud) - loud) < 1e-3 * signals.rms(loud)  # a few bins are weaker than 1 by chance
    added = noise(signals.band(loud, SR, 0, 9000))
    power = np.abs(spectral.stft(added, center=False))[controls.first_bin() + 2 : 1023] ** 2
    assert 10 * np.log10(power.mean()) == pytest.approx(0, abs=0.1)  # 5 10^4 values, a quarter of them independent: 0.04 dB
    assert np.log10(power).mean() == pytest.approx(-controls.LOG_OF_MEAN, abs=0.01)


def test_folding_mirrors_a_tone():
    x = signals.sine(8000, 0.5, SR)
    spectrum = np.abs(np.fft.rfft(controls.SpectralFolding(-6.0, -2.0)(x) - x)) / (len(x) / 2)
    peak = np.argmax(spectrum)
    assert np.fft.rfftfreq(len(x), 1 / SR)[peak] == pytest.approx(14050)
    assert signals.db(spectrum[peak]) == pytest.approx(-6 - 2 * (14.05 - 11.025), abs=1e-6)


def test_folding_recovers_offset_and_slope():
    """The fit uses the power in the bins of LSD; a slope of 1 dB/kHz changes by 0.02 dB in one bin."""
    x = noise_at_levels([0, -20], np.random.default_rng(1))
    y = controls.SpectralFolding(-12.0, -1.0).upper(x, np.random.default_rng())
    found = controls.fit_all([(x, y)])["folding"]
    assert (found.offset_db, found.slope_db_per_khz) == pytest.approx((-12.0, -1.0), abs=0.05)


def test_replication_copies_a_pure_tone():
    """A tone in the middle of a bin appears once in each copy, at the same level and with no other line above -60 dB."""
    k = controls.first_bin() - 50
    x = signals.sine(k * SR / metrics.N_FFT, 2.0, SR)
    copies = controls.BandReplication(np.zeros(metrics.N_FFT // 2 + 1 - controls.first_bin()))(x)
    middle = copies[8192 : 8192 + 20 * metrics.N_FFT]  # a whole number of periods of every line
    level = signals.db(np.abs(np.fft.rfft(middle)) / (len(middle) / 2))
    lines = 20 * (k + controls.WIDTH * np.arange(6))
    np.testing.assert_allclose(level[lines], 0, atol=1e-6)
    assert np.delete(level, lines).max() < -60


def test_replication_recovers_its_envelope():
    x = noise_at_levels([0, -20], np.random.default_rng(1), 0, 9560)
    envelope = np.linspace(-10.0, -40.0, metrics.N_FFT // 2 + 1 - controls.first_bin())
    found = controls.fit_all([(x, controls.BandReplication(envelope)(x))])["replication"]
    error = np.abs(found.envelope_db - envelope)[:-3]  # the spectrum of a real signal has a mirror image beyond the last bin
    seams = np.arange(len(error)) % controls.WIDTH  # bins beside the seam of two copies hold a sum of both
    assert error[(seams > 2) & (seams < controls.WIDTH - 2)].max() < 1.0  # two levels meet in 4 of 87 frames
    assert error.mean() < 0.2


def test_unusable_signals_are_refused(fitted):
    silence = np.zeros(SR)
    with pytest.raises(ValueError, match="no pairs"):
        controls.fit_all([])
    with pytest.raises(ValueError, match="same in all frames"):
        controls.fit_all([(silence, silence)])
    with pytest.raises(ValueError, match="one length"):
        controls.fit_all([(X, X[1:])])
    with pytest.raises(ValueError, match="more than 1024"):
        controls.fit_all([(X[:1024], X[:1024])])
    for name in controls.CONTROLS:
        with pytest.raises(ValueError, match="more than 1024"):
            fitted[name](X[:1024])
        with pytest.raises(ValueError, match="mono"):
            fitted[name](np.stack([X, X], axis=1))
        with pytest.raises(ValueError, match="finite"):
            fitted[name](np.full(SR, np.nan))
        assert signals.rms(fitted[name](silence)) < 1e-4
        assert len(fitted[name](X[:1025])) == 1025
