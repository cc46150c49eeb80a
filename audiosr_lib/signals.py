"""Test signals with known answers, levels in decibels, parts by frequency, and synthetic speech for runs without a network.

Everything is mono float64 of shape ``(T,)``, nominally in [-1, 1].
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, lfilter, sosfilt
from scipy.signal.windows import tukey


def db(ratio: np.ndarray | float, floor: float = 1e-12) -> np.ndarray:
    """Amplitude ratio in dB, ``20 log10``; ratios under `floor` count as `floor` (-240 dB)."""
    return 20.0 * np.log10(np.maximum(np.abs(ratio), floor))


def rms(x: np.ndarray) -> float:
    """Root mean square of a signal; 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if len(x) else 0.0


def sine(freq_hz: float, seconds: float, sr: int, amplitude: float = 1.0) -> np.ndarray:
    """``amplitude * sin(2 pi f t)``, round(seconds * sr) samples."""
    t = np.arange(round(seconds * sr)) / sr
    return amplitude * np.sin(2 * np.pi * freq_hz * t)


def impulse(length: int, position: int) -> np.ndarray:
    """One at `position`, zero elsewhere."""
    x = np.zeros(length)
    x[position] = 1.0
    return x


def band(x: np.ndarray, sr: int, low_hz: float, high_hz: float) -> np.ndarray:
    """The part of a signal from `low_hz` to just below `high_hz`: an ideal filter, by one Fourier transform.

    Parameters
    ----------
    x : (T,). sr : its rate in Hz. low_hz, high_hz : the band; above sr / 2 there is nothing, so `high_hz` = sr leaves nothing out.

    Returns
    -------
    (T,). The parts of bands that touch add up to the signal.

    Raises
    ------
    ValueError : unless 0 <= low_hz <= high_hz.

    The filter treats the signal as one period of an endless one. Built by hand in notebook 01. Oracle: sines of known frequency.
    """
    if not 0 <= low_hz <= high_hz:
        raise ValueError(f"no band from {low_hz} to {high_hz} Hz")
    f = np.fft.rfftfreq(len(x), 1 / sr)
    return np.fft.irfft(np.where((f >= low_hz) & (f < high_hz), np.fft.rfft(x), 0), n=len(x))


def share_above(x: np.ndarray, sr: int, freq_hz: float, fade: float = 0.0) -> float:
    """Share of a signal's energy at `freq_hz` and above, 0 .. 1.

    Parameters
    ----------
    x : (T,). sr : its rate in Hz. fade : share of the signal that is faded, half of it at each end (Tukey window): a cut within
        a sound has energy at all frequencies.

    Raises
    ------
    ValueError : if nothing is left that has energy.

    Parseval's theorem on one Fourier transform. Oracle: the energy of `band`. Built by hand in notebook 01.
    """
    power = np.abs(np.fft.rfft(x * tukey(len(x), fade))) ** 2
    power[1 : (len(x) + 1) // 2] *= 2  # bins with a mirror image at negative frequencies
    if not power.sum():
        raise ValueError("a silent signal has no shares")
    return float(power[np.fft.rfftfreq(len(x), 1 / sr) >= freq_hz].sum() / power.sum())


# Formants of four vowels in Hz (first to fourth), round values after Peterson and Barney (1952).
_VOWELS = {
    "a": (730, 1090, 2440, 3400),
    "i": (270, 2290, 3010, 3700),
    "u": (300, 870, 2240, 3300),
    "e": (530, 1840, 2480, 3500),
}


def _resonator(x: np.ndarray, freq_hz: float, bandwidth_hz: float, sr: int) -> np.ndarray:
    """Two-pole resonance with unit gain at its centre, roughly."""
    r = np.exp(-np.pi * bandwidth_hz / sr)
    theta = 2 * np.pi * freq_hz / sr
    return lfilter([(1 - r) * np.sqrt(1 - 2 * r * np.cos(2 * theta) + r * r)], [1, -2 * r * np.cos(theta), r * r], x)


def synthetic_speech(seconds: float, sr: int, rng: np.random.Generator, pitch_hz: float = 120.0) -> np.ndarray:
    """Vowels, fricatives and pauses in turn: speech-like, full-band, made on the spot.

    A vowel is a jittered pulse train through four formant resonators plus breath noise; a fricative is noise
    above about 4 kHz that reaches the Nyquist frequency. It has what the study needs of speech (harmonics,
    a moving envelope, a band above 11 kHz that follows from the one below) and none of its meaning.

    Parameters
    ----------
    seconds : length. sr : sample rate in Hz. rng : source of all randomness. pitch_hz : mean fundamental.

    Returns
    -------
    (T,) with peak 0.8. The same `rng` state gives the same signal.
    """
    total = round(seconds * sr)
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < total:
        n = round(sr * rng.uniform(0.08, 0.22))
        t = np.arange(n) / sr
        fade = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.015)
        kind = rng.choice(["vowel", "vowel", "fricative", "pause"])
        if kind == "vowel":
            f0 = pitch_hz * (1 + 0.1 * rng.standard_normal()) * (1 + 0.08 * np.sin(2 * np.pi * 3 * t))
            phase = np.cumsum(f0 / sr)
            source = np.diff(np.floor(phase), prepend=0.0) + 0.003 * rng.standard_normal(n)
            formants = _VOWELS[rng.choice(list(_VOWELS))]
            voiced = sum(_resonator(source, f, 60 + 0.06 * f, sr) / (i + 1) for i, f in enumerate(formants))
            piece = voiced / np.abs(voiced).max() + 0.002 * rng.standard_normal(n)
        elif kind == "fricative":
            highpass = butter(2, rng.uniform(3500, 6000), "highpass", fs=sr, output="sos")
            piece = 0.12 * sosfilt(highpass, rng.standard_normal(n))
        else:
            piece = 2e-4 * rng.standard_normal(n)
        pieces.append(piece * fade)
    x = np.concatenate(pieces)[:total]
    return 0.8 * x / np.abs(x).max()
