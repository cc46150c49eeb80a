"""Worked solutions of notebook 10_results_tables."""

import numpy as np


def exercise_10_1(g):
    """The error is y - g y = (1 - g) y, so the energies' ratio is 1 / (1 - g)^2, whatever y is.

    For g = 0.5 this is 20 log10 2 = 6.02 dB, strikingly near the 6.09 and 6.17 dB of the coursework's two interpolators.
    That is a lead, not a proof: notebook 11 follows it.
    """
    return -20 * np.log10(abs(1 - g))


def exercise_10_2(lsd_ln):
    """ln v = ln 10 log10 v, and a constant factor passes through square, mean and root unchanged.

    The coursework's three values become 2.72, 2.66 and 1.17 in log10, and 27.2, 26.6 and 11.7 in dB.
    """
    log10 = lsd_ln / np.log(10)
    return log10, 10 * log10


def exercise_10_3(freq_hz, d, sr):
    """sin(w n) - sin(w (n - d)) = 2 sin(w d / 2) cos(w (n - d / 2)) with w = 2 pi f / sr.

    The error is a sine of amplitude 2 |sin(pi f d / sr)|, so SNR = -20 log10 of that. It is 0 dB where the sine is 1/2,
    f d / sr = 1/6: for one sample at 44.1 kHz at 7350 Hz. Above it, a delay of one sample is worse than silence.
    For low tones it costs 20 dB less for each tenth of the frequency: SNR punishes a delay by frequency, the ear does not.
    """
    return -20 * np.log10(2 * abs(np.sin(np.pi * freq_hz * d / sr)))
