"""The short-time Fourier transform (coursework section 1.2).

    X(m, k) = sum over n = 0 .. N-1 of  x[n + m H] w[n] exp(-2 pi i k n / N)

N = n_fft is the length of the transform, H = hop_length the step between frames. A real signal has N/2 + 1 different bins, k = 0 .. N/2,
at k sr / N Hz. In the *plain* convention of the formula, frame m starts at sample m H. In the *centred* convention of librosa and torch,
frame m is centred on sample m H and the edges are padded. Shapes: signals ``(T,)``, spectra ``(N/2 + 1, M)``. Notebook 02.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from audiosr_lib.base.constants import FULL_SCALE, METRIC_CLAMP


def hann_window(length: int, periodic: bool = True) -> np.ndarray:
    """Return a Hann window, ``0.5 (1 - cos(2 pi n / N))``.

    Parameters
    ----------
    length : number of samples, >= 1.
    periodic : True gives N = length, the window of spectral analysis, whose last sample is not 0. False gives N = length - 1, the
        symmetric window of filter design, which the coursework prints (L = N + 1).

    Raises
    ------
    ValueError : if length < 1.

    Source: coursework section 1.2. Oracle: scipy.signal.windows.hann. Notebook 02.
    """
    if length < 1:
        raise ValueError(f"a window needs at least one sample, got {length}")
    if length == 1:
        return np.ones(1)
    period = length if periodic else length - 1
    return 0.5 * (1.0 - np.cos(2.0 * np.pi * np.arange(length) / period))


def number_of_frames(length: int, n_fft: int, hop_length: int, center: bool = True) -> int:
    """Return the number of frames of an STFT over T samples: 1 + floor(T/H) centred, 1 + floor((T-N)/H) plain, at least 0."""
    return 1 + length // hop_length if center else max(0, 1 + (length - n_fft) // hop_length)


def frames(x: np.ndarray, frame_length: int, hop_length: int) -> np.ndarray:
    """Return overlapping frames in the plain convention, ``(T,) -> (frame_length, M)``, as a read-only view.

    ValueError if the signal is shorter than one frame or the hop is below 1.
    """
    if hop_length < 1:
        raise ValueError(f"hop_length must be at least 1, got {hop_length}")
    if len(x) < frame_length:
        raise ValueError(f"{len(x)} samples are fewer than one frame of {frame_length}")
    return np.lib.stride_tricks.sliding_window_view(x, frame_length)[::hop_length].T


def _padded_window(window: np.ndarray, n_fft: int) -> np.ndarray:
    """Return the window zero-padded at both ends to n_fft samples. Raises ValueError if it is longer."""
    if len(window) > n_fft:
        raise ValueError(f"the window has {len(window)} samples, more than n_fft = {n_fft}")
    before = (n_fft - len(window)) // 2
    return np.pad(window, (before, n_fft - len(window) - before))


def stft(x: np.ndarray, *, n_fft: int = 2048, hop_length: int = 512, window: np.ndarray | None = None, center: bool = True) -> np.ndarray:
    """Return the short-time Fourier transform of a real signal, complex (N/2 + 1, M); M as in `number_of_frames`.

    Parameters
    ----------
    x : (T,).
    n_fft : N in samples, even.
    hop_length : H in samples.
    window : (L,) with L <= N, zero-padded at both ends to N; a periodic Hann window of N samples by default.
    center : pad N/2 reflected samples at both ends, so that frame m is centred on sample m H.

    Raises
    ------
    ValueError : if the signal is too short, the hop below 1, or the window longer than N.

    Source: coursework section 1.2. Oracles: librosa.stft, scipy.signal.ShortTimeFFT. Notebook 02.
    """
    w = _padded_window(hann_window(n_fft) if window is None else window, n_fft)
    if center:
        if len(x) <= n_fft // 2:
            raise ValueError(f"{len(x)} samples are too few to reflect {n_fft // 2} at each end")
        x = np.pad(x, n_fft // 2, mode="reflect")
    return np.fft.rfft(frames(x, n_fft, hop_length) * w[:, None], axis=0)


def istft(
    spectrum: np.ndarray, *, hop_length: int = 512, window: np.ndarray | None = None, center: bool = True, length: int | None = None
) -> np.ndarray:
    """Return the signal (T,) with a given short-time spectrum: the overlap-add of windowed frames over the sum of squared windows.

    It inverts `stft` wherever that sum is not zero. In the plain convention, samples where it is zero are 0.

    Parameters
    ----------
    spectrum : (N/2 + 1, M).
    hop_length, window, center : as given to `stft`.
    length : number of samples T; by default as many as the frames cover.

    Raises
    ------
    ValueError : if no window covers one of the samples of a centred signal.
    """
    n_fft = 2 * (spectrum.shape[0] - 1)
    w = _padded_window(hann_window(n_fft) if window is None else window, n_fft)
    parts = np.fft.irfft(spectrum, n=n_fft, axis=0) * w[:, None]
    total = n_fft + hop_length * (spectrum.shape[1] - 1)
    x, weight = np.zeros(total), np.zeros(total)
    for m in range(spectrum.shape[1]):
        here = slice(m * hop_length, m * hop_length + n_fft)
        x[here] += parts[:, m]
        weight[here] += w**2
    covered = weight > 1e-12 * weight.max()  # below, the division would magnify rounding errors more than a million times
    x = np.divide(x, weight, out=np.zeros_like(x), where=covered)
    if center:
        end = total - n_fft // 2 if length is None else n_fft // 2 + length
        if end > total or not covered[n_fft // 2 : end].all():
            raise ValueError(f"with hop {hop_length} there are samples that no window covers: use a smaller hop or a shorter length")
        x = x[n_fft // 2 : end]
    return x if length is None else np.pad(x, (0, max(0, length - len(x))))[:length]


def power_db(spectrum: np.ndarray, floor: float = METRIC_CLAMP) -> np.ndarray:
    """Return the power of a complex spectrum of any shape in dB, ``10 log10 max(|X|^2, floor)``."""
    return 10.0 * np.log10(np.maximum(np.abs(spectrum) ** 2, floor))


def bin_frequencies(n_fft: int, sr: int) -> np.ndarray:
    """Return the centre frequency of each of the N/2 + 1 bins in Hz."""
    return np.arange(n_fft // 2 + 1) * sr / n_fft


def long_term_spectrum(x: np.ndarray, n_fft: int = 2048, quantile: float = 0.95) -> np.ndarray:
    """Return the quantile over frames of the power in each bin, ``(T,) -> (N/2 + 1,)``; by default that of loud frames."""
    return np.quantile(np.abs(stft(x, n_fft=n_fft, hop_length=n_fft)) ** 2, quantile, axis=1)


def bandwidth_hz(x: np.ndarray, sr: int, range_db: float = 70.0, n_fft: int = 2048) -> float:
    """Return the highest frequency whose long-term power is within `range_db` of the strongest bin; 0 for silence.

    It detects recordings that once had a lower rate or a low-pass. The strongest bin of speech is a harmonic near the fundamental;
    70 dB below it is under any audible sibilant and above the noise floor of 16 bit. Notebook 07.
    """
    power = long_term_spectrum(x, n_fft)
    if power.max() <= 0:
        return 0.0
    return float(bin_frequencies(n_fft, sr)[np.nonzero(power >= power.max() * 10 ** (-range_db / 10))[0][-1]])


def edge_hz(x: np.ndarray, sr: int, step_db: float = 16.0, n_fft: int = 2048) -> float:
    """Return the frequency at which a codec or filter has cut a signal; sr / 2 if it has no such edge.

    The long-term spectrum is smoothed by medians over 500 Hz, so that single lines do not count. An edge is the lowest frequency above
    7 kHz at which the spectrum falls by `step_db` within 800 Hz and stays below. Natural spectra of speech fall less steeply up there.
    Unlike `bandwidth_hz`, the measure does not depend on how loud the lower frequencies are.

    Parameters
    ----------
    x : (T,), T > n_fft / 2.
    sr : sample rate in Hz.
    step_db : least height of the edge in dB.
    n_fft : length of the transform in samples.

    Oracle: recordings after a low-pass of known cut-off. Notebook 07.
    """
    per_hz = n_fft / sr  # bins
    level = 10 * np.log10(np.maximum(long_term_spectrum(x, n_fft), 1e-12))
    level = median_filter(level, round(500 * per_hz), mode="nearest")
    highest_above = np.maximum.accumulate(level[::-1])[::-1]
    reach = round(400 * per_hz)
    bins = np.arange(round(7000 * per_hz), len(level) - reach)
    fallen = bins[level[bins - reach] - highest_above[bins + reach] >= step_db]
    if not len(fallen):
        return sr / 2
    near = fallen[fallen <= fallen[0] + 2 * reach]
    fall = level[near - reach] - level[np.minimum(near + reach, len(level) - 1)]
    return float(near[fall >= fall.max() - 1].mean() / per_hz)


def empty_share(y: np.ndarray, sr: int, above_hz: float, n_fft: int = 2048) -> float:
    """Return the share of the time-frequency bins above a frequency that hold nothing, 0 .. 1.

    A bin holds nothing if its power is less than four times the mean power that rounding to 16 bits leaves in it. Lossy codecs leave such
    holes, because they drop what they expect to be inaudible. Notebook 07.

    Parameters
    ----------
    y : (T,), full scale 1.
    sr : sample rate in Hz.
    above_hz : lower end of the band.
    n_fft : length of the transform in samples.
    """
    rounding = np.sum(hann_window(n_fft) ** 2) / FULL_SCALE**2 / 12
    power = np.abs(stft(y, n_fft=n_fft, hop_length=n_fft // 4)) ** 2
    return float(np.mean(power[bin_frequencies(n_fft, sr) >= above_hz] < 4 * rounding))
