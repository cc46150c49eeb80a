"""The short-time Fourier transform, by hand (coursework section 1.2).

    X(m, k) = sum over n = 0 .. N-1 of  x[n + m H] w[n] exp(-2 pi i k n / N)

Frame m starts at sample m H; N = n_fft is the transform's length, H = hop_length. A real signal of N samples
has N/2 + 1 different bins, k = 0 .. N/2, at k sr / N Hz. Two conventions are needed: *plain*, as in the formula
(the first frame starts at sample 0, there are 1 + floor((T - N) / H) whole frames), and *centred*, as librosa and
torch have it (frame m is centred on sample m H, the edges are padded, there are 1 + floor(T / H) frames).
Shapes: signals ``(T,)``, spectra ``(F, M)`` with F = N/2 + 1. Notebook 02.
"""

from __future__ import annotations

import numpy as np

from audiosr_lib.base.constants import METRIC_CLAMP


def hann_window(length: int, periodic: bool = True) -> np.ndarray:
    """Hann window of `length` samples, ``0.5 (1 - cos(2 pi n / N))``.

    Parameters
    ----------
    length : number of samples, >= 1.
    periodic : N = length, the window of spectral analysis (one period of a cosine, first sample 0, last not).
        False gives N = length - 1, the symmetric window of filter design, which the coursework prints (L = N + 1).

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
    """Frames of an STFT over `length` samples: 1 + floor(T/H) centred, 1 + floor((T-N)/H) plain, never negative."""
    return 1 + length // hop_length if center else max(0, 1 + (length - n_fft) // hop_length)


def frames(x: np.ndarray, frame_length: int, hop_length: int) -> np.ndarray:
    """Overlapping frames ``(T,) -> (frame_length, M)``, plain convention, as a read-only view without a copy.

    Raises ValueError if the signal is shorter than one frame or the hop is below 1.
    """
    if hop_length < 1:
        raise ValueError(f"hop_length must be at least 1, got {hop_length}")
    if len(x) < frame_length:
        raise ValueError(f"{len(x)} samples are fewer than one frame of {frame_length}")
    return np.lib.stride_tricks.sliding_window_view(x, frame_length)[::hop_length].T


def _padded_window(window: np.ndarray, n_fft: int) -> np.ndarray:
    """The window in the middle of n_fft zeros; ValueError if it is longer than n_fft."""
    if len(window) > n_fft:
        raise ValueError(f"the window has {len(window)} samples, more than n_fft = {n_fft}")
    before = (n_fft - len(window)) // 2
    return np.pad(window, (before, n_fft - len(window) - before))


def stft(
    x: np.ndarray,
    *,
    n_fft: int = 2048,
    hop_length: int = 512,
    window: np.ndarray | None = None,
    center: bool = True,
) -> np.ndarray:
    """Short-time Fourier transform of a real signal.

    Parameters
    ----------
    x : (T,).
    n_fft, hop_length : N and H in samples; N even.
    window : (L,) with L <= N, zero-padded to N around its middle; a periodic Hann window of N by default.
    center : pad N/2 reflected samples at both ends, so that frame m is centred on sample m H.

    Returns
    -------
    (N/2 + 1, M) complex: M = 1 + T // H centred, 1 + (T - N) // H plain.

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
    spectrum: np.ndarray,
    *,
    hop_length: int = 512,
    window: np.ndarray | None = None,
    center: bool = True,
    length: int | None = None,
) -> np.ndarray:
    """Inverse of `stft`: window each frame again, overlap, add, divide by the summed squared windows.

    The division makes the round trip exact wherever the squared windows do not sum to zero (the
    non-zero overlap-add condition), for any hop up to the window's length.

    Parameters
    ----------
    spectrum : (N/2 + 1, M). hop_length, window, center : as given to `stft`. length : samples wanted, T.

    Returns
    -------
    (T,) or, without `length`, as many samples as whole frames cover.

    Raises
    ------
    ValueError : if window and hop leave a sample of a centred signal uncovered. In the plain convention such samples, at the
    two ends, come out as zeros.
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
    covered = weight > 1e-12 * weight.max()  # below, dividing would magnify rounding by more than a million
    x = np.divide(x, weight, out=np.zeros_like(x), where=covered)
    if center:
        end = total - n_fft // 2 if length is None else n_fft // 2 + length
        if end > total or not covered[n_fft // 2 : end].all():
            raise ValueError(f"hop {hop_length} leaves samples that no window covers: take a smaller hop, or a shorter length")
        x = x[n_fft // 2 : end]
    return x if length is None else np.pad(x, (0, max(0, length - len(x))))[:length]


def power_db(spectrum: np.ndarray, floor: float = METRIC_CLAMP) -> np.ndarray:
    """``10 log10 max(|X|^2, floor)`` in dB, of a complex spectrum of any shape."""
    return 10.0 * np.log10(np.maximum(np.abs(spectrum) ** 2, floor))


def bin_frequencies(n_fft: int, sr: int) -> np.ndarray:
    """Centre frequency of each of the N/2 + 1 bins in Hz."""
    return np.arange(n_fft // 2 + 1) * sr / n_fft


def long_term_spectrum(x: np.ndarray, n_fft: int = 2048, quantile: float = 0.95) -> np.ndarray:
    """Power per bin that `quantile` of the frames stay under, ``(T,) -> (F,)``; what the loud moments reach."""
    return np.quantile(np.abs(stft(x, n_fft=n_fft, hop_length=n_fft)) ** 2, quantile, axis=1)


def bandwidth_hz(x: np.ndarray, sr: int, range_db: float = 70.0, n_fft: int = 2048) -> float:
    """Highest frequency whose long-term power is within `range_db` of the strongest bin's; 0 for silence.

    It tells recordings that were once low-rate, or coded with a low-pass, from full-band ones. The strongest bin of
    speech is a harmonic near the fundamental, so 70 dB below it is well under any audible sibilant
    and still above the noise floor of 16 bit. Notebook 07 shows it over a corpus.
    """
    power = long_term_spectrum(x, n_fft)
    if power.max() <= 0:
        return 0.0
    return float(bin_frequencies(n_fft, sr)[np.nonzero(power >= power.max() * 10 ** (-range_db / 10))[0][-1]])
