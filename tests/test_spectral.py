"""The STFT by hand against SciPy and librosa, and its closed forms.

Tolerances: 1e-12 where both sides are float64 of order one; 1e-9 relative for spectra, whose values reach hundreds.
"""

import librosa
import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from audiosr_lib import signals, spectral

SR = 44100


@pytest.mark.parametrize("length", [2, 3, 240, 601, 2048])
@pytest.mark.parametrize("periodic", [True, False])
def test_hann_is_scipys(length, periodic):
    np.testing.assert_allclose(spectral.hann_window(length, periodic), scipy.signal.windows.hann(length, sym=not periodic), atol=1e-14)


def test_hann_refuses_no_samples():
    with pytest.raises(ValueError, match="at least one sample"):
        spectral.hann_window(0)


@pytest.mark.parametrize(("n_fft", "hop", "win"), [(512, 50, 240), (1024, 120, 600), (2048, 240, 1200), (2048, 512, 2048)])
def test_stft_is_librosas(speech, n_fft, hop, win):
    ours = spectral.stft(speech, n_fft=n_fft, hop_length=hop, window=spectral.hann_window(win))
    theirs = librosa.stft(speech, n_fft=n_fft, hop_length=hop, win_length=win, pad_mode="reflect")
    assert ours.shape == theirs.shape == (n_fft // 2 + 1, spectral.number_of_frames(len(speech), n_fft, hop))
    np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(ours).max())


def test_plain_stft_is_the_formula_of_the_coursework(speech):
    """X(m, k) summed term by term, at a few frames and bins; and the number of frames."""
    N, H, w = 256, 64, spectral.hann_window(256)
    X = spectral.stft(speech, n_fft=N, hop_length=H, center=False)
    assert X.shape[1] == spectral.number_of_frames(len(speech), N, H, center=False) == 1 + (len(speech) - N) // H
    for m, k in [(0, 0), (3, 17), (100, 128), (X.shape[1] - 1, 5)]:
        terms = [speech[n + m * H] * w[n] * np.exp(-2j * np.pi * k * n / N) for n in range(N)]
        assert abs(X[k, m] - sum(terms)) < 1e-10


def test_parseval():
    x = np.random.default_rng(0).standard_normal(4096)
    X = spectral.stft(x, n_fft=1024, hop_length=1024, window=np.ones(1024), center=False)
    both_halves = 2 * np.sum(np.abs(X) ** 2) - np.sum(np.abs(X[[0, -1]]) ** 2)
    assert both_halves / 1024 == pytest.approx(np.sum(x**2), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(1100, 5000),
    hop=st.integers(1, 512),
    seed=st.integers(0, 99),
)
def test_round_trip_including_scale(length, hop, seed):
    x = np.random.default_rng(seed).standard_normal(length)
    X = spectral.stft(x, n_fft=1024, hop_length=hop)
    y = spectral.istft(X, hop_length=hop, length=length)
    np.testing.assert_allclose(y, x, atol=1e-8)  # the last samples lie far out in the last window, hence not 1e-12


def test_istft_refuses_gaps(speech):
    X = spectral.stft(speech, n_fft=512, hop_length=400, window=spectral.hann_window(240))
    with pytest.raises(ValueError, match="no window covers"):
        spectral.istft(X, hop_length=400, window=spectral.hann_window(240))
    with pytest.raises(ValueError, match="no window covers"):  # only the tail, beyond the last frame's window, is not covered
        spectral.istft(spectral.stft(speech, n_fft=1024, hop_length=800)[:, :-1], hop_length=800, length=len(speech))


def test_stft_errors(speech):
    with pytest.raises(ValueError, match="too few"):
        spectral.stft(speech[:100], n_fft=2048)
    with pytest.raises(ValueError, match="window has"):
        spectral.stft(speech, n_fft=512, window=np.ones(600))
    with pytest.raises(ValueError, match="hop_length"):
        spectral.frames(speech, 512, 0)


def test_sine_falls_on_its_bin():
    x = signals.sine(1000 * SR / 44100, 0.5, SR)
    level = np.abs(spectral.stft(x, n_fft=4410, hop_length=2205, center=False))
    assert spectral.bin_frequencies(4410, SR)[level[:, 0].argmax()] == pytest.approx(1000.0)


@pytest.mark.parametrize("cutoff", [4000, 11025, 16000])
def test_bandwidth_finds_a_low_pass(cutoff):
    noise = np.random.default_rng(1).standard_normal(SR)
    sos = scipy.signal.cheby2(20, 110, cutoff, fs=SR, output="sos")
    assert spectral.bandwidth_hz(scipy.signal.sosfilt(sos, noise), SR) == pytest.approx(cutoff, rel=0.05)
    assert spectral.bandwidth_hz(noise, SR) > 22000
    assert spectral.bandwidth_hz(np.zeros(SR), SR) == 0


@pytest.mark.parametrize("times", [1.0, 4.0, 100.0])
def test_empty_share_of_noise_is_its_closed_form(times):
    """The power in a bin of noise is exponentially distributed: below four roundings with the probability 1 - exp(-4 / times)."""
    noise = np.random.default_rng(7).standard_normal(44100 * 4) * np.sqrt(times / 12) / 32768
    share = spectral.empty_share(noise, 44100, 11025)
    assert share == pytest.approx(1 - np.exp(-4 / times), abs=0.01)  # 170,000 bins, of which a quarter is independent: 0.002 by chance


def test_empty_share_is_that_above_the_frequency():
    x = 0.01 * np.random.default_rng(8).standard_normal(44100)
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(44100, 1 / 44100) > 16_000] = 0
    lowpassed = np.fft.irfft(spectrum)
    assert spectral.empty_share(lowpassed, 44100, 17_000) > 0.9  # 4 of 87 frames hold a reflected end, which reaches up there
    assert spectral.empty_share(lowpassed, 44100, 8000) == pytest.approx(6050 / 14_050, abs=0.04)
    assert spectral.empty_share(x, 44100, 8000) == 0
