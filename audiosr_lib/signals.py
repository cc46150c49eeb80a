"""Test signals, levels in decibels, frequency bands, and synthetic speech for runs without downloads.

Signals are mono float64 of shape ``(T,)``, nominally in [-1, 1].
"""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, lfilter, sosfilt
from scipy.signal.windows import tukey


def db(ratio: np.ndarray | float, floor: float = 1e-12) -> np.ndarray:
    """Return an amplitude ratio in dB, ``20 log10``; a ratio below `floor` counts as `floor` (-240 dB)."""
    return 20.0 * np.log10(np.maximum(np.abs(ratio), floor))


def rms(x: np.ndarray) -> float:
    """Return the root mean square of a signal; 0 for an empty one."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if len(x) else 0.0


def sine(freq_hz: float, seconds: float, sr: int, amplitude: float = 1.0) -> np.ndarray:
    """Return round(seconds * sr) samples of ``amplitude * sin(2 pi f t)``."""
    t = np.arange(round(seconds * sr)) / sr
    return amplitude * np.sin(2 * np.pi * freq_hz * t)


def impulse(length: int, position: int) -> np.ndarray:
    """Return a signal that is 1 at `position` and 0 elsewhere."""
    x = np.zeros(length)
    x[position] = 1.0
    return x


def band(x: np.ndarray, sr: int, low_hz: float, high_hz: float) -> np.ndarray:
    """Return the part of a signal at low_hz <= f < high_hz, (T,), computed by one Fourier transform.

    The transform treats the signal as one period of a periodic signal. The parts of adjacent bands add up to the signal.

    Parameters
    ----------
    x : (T,).
    sr : sample rate in Hz.
    low_hz, high_hz : ends of the band; `high_hz` = sr includes every frequency up to sr / 2.

    Raises
    ------
    ValueError : unless 0 <= low_hz <= high_hz.

    Oracle: sines of known frequency. Notebook 01.
    """
    if not 0 <= low_hz <= high_hz:
        raise ValueError(f"no band from {low_hz} to {high_hz} Hz: give 0 <= low_hz <= high_hz")
    f = np.fft.rfftfreq(len(x), 1 / sr)
    return np.fft.irfft(np.where((f >= low_hz) & (f < high_hz), np.fft.rfft(x), 0), n=len(x))


def share_above(x: np.ndarray, sr: int, freq_hz: float, fade: float = 0.0) -> float:
    """Return the share of a signal's energy at `freq_hz` and above, 0 .. 1, by Parseval's theorem. Raises ValueError for silence.

    Parameters
    ----------
    x : (T,).
    sr : sample rate in Hz.
    freq_hz : lower end of the band.
    fade : share of the signal that a Tukey window fades, half of it at each end, because an abrupt end has energy at all frequencies.

    Oracle: the energy of `band`. Notebook 01.
    """
    power = np.abs(np.fft.rfft(x * tukey(len(x), fade))) ** 2
    power[1 : (len(x) + 1) // 2] *= 2  # bins that have a mirror image at negative frequencies
    if not power.sum():
        raise ValueError("the faded signal is silent: the share of its energy is not defined")
    return float(power[np.fft.rfftfreq(len(x), 1 / sr) >= freq_hz].sum() / power.sum())


# First to fourth formant of four vowels in Hz, rounded from Peterson and Barney (1952).
_VOWELS = {
    "a": (730, 1090, 2440, 3400),
    "i": (270, 2290, 3010, 3700),
    "u": (300, 870, 2240, 3300),
    "e": (530, 1840, 2480, 3500),
}


def _resonator(x: np.ndarray, freq_hz: float, bandwidth_hz: float, sr: int) -> np.ndarray:
    """Return the signal filtered by a two-pole resonance with about unit gain at its centre."""
    r = np.exp(-np.pi * bandwidth_hz / sr)
    theta = 2 * np.pi * freq_hz / sr
    return lfilter([(1 - r) * np.sqrt(1 - 2 * r * np.cos(2 * theta) + r * r)], [1, -2 * r * np.cos(theta), r * r], x)


def synthetic_speech(seconds: float, sr: int, rng: np.random.Generator, pitch_hz: float = 120.0) -> np.ndarray:
    """Return a speech-like full-band signal, (T,) with peak 0.8: vowels, fricatives and pauses in random order.

    A vowel is a pulse train through four formant resonators plus breath noise. A fricative is noise from about 4 kHz up to the
    Nyquist frequency. Like speech, the signal has harmonics, a varying envelope, and a band above 11 kHz that depends on the one below.

    Parameters
    ----------
    seconds : length.
    sr : sample rate in Hz.
    rng : source of all randomness; the same state gives the same signal.
    pitch_hz : mean fundamental frequency.
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
