"""Worked solutions of chapter 01, digital audio."""

import math

import numpy as np


def exercise_01_1(seconds, sample_rate, bits, channels):
    """Bits a second are the product of rate, bits and channels. Times the duration, then eight bits to a byte."""
    return seconds * sample_rate * bits * channels // 8


def exercise_01_2(f_hz, sample_rate):
    """Whole multiples of the sample rate make no difference, and the sign of a frequency does not sound.

    Subtracting the *nearest* multiple leaves something between -R/2 and R/2; without its sign it is the alias.
    """
    return np.abs(f_hz - sample_rate * np.round(f_hz / sample_rate))


def exercise_01_3(x, bits):
    """The range from -1 to 1 holds 2^b steps. Round to whole steps, keep to the codes there are, and go back to amplitudes.

    One code is spent on 0, so the positive side ends one step short of 1.
    """
    step = 2 / 2**bits
    codes = np.clip(np.round(x / step), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return step * codes


def exercise_01_4(wanted_db, crest_db, headroom_db):
    """The peak lies headroom_db below full scale, the RMS crest_db below the peak: L = -headroom - crest.

    From 20 log10(2) b + 10 log10(3) + L >= wanted follows b; it must be rounded up.
    """
    level_db = -headroom_db - crest_db
    return math.ceil((wanted_db - 10 * math.log10(3) - level_db) / (20 * math.log10(2)))


def exercise_01_5(y, ratio):
    """Turn the phase of every bin above 11 025 Hz by the same angle.

    The lower bins stay, so the ideal filter gives the same result. Magnitudes stay, so (Parseval) the energy does, too. A bin Y that
    is turned by theta moves by |Y| |e^{i theta} - 1|; the square is |Y|^2 (2 - 2 cos theta). This must be ratio |Y|^2, so
    cos theta = 1 - ratio / 2. At 60 degrees the ratio is 1, as with an empty upper band; at 180 degrees the sign is turned: 4.
    """
    spectrum = np.fft.rfft(y)
    above = 4 * np.arange(len(spectrum)) > len(y)  # k * 44100 / T > 11025
    angle = np.arccos(1 - ratio / 2)
    return np.fft.irfft(np.where(above, np.exp(1j * angle) * spectrum, spectrum), len(y))
