"""Worked solutions of notebook 12_a_lighter_network."""

import math

import numpy as np


def exercise_12_1(d_db):
    """The difference of the logarithms has the mean d / 10 and the variance 2 sigma^2; LSD is the root of its mean square."""
    sigma = np.pi / np.sqrt(6) / np.log(10)
    return np.sqrt(2 * sigma**2 + (d_db / 10) ** 2)


def exercise_12_2(s, g_db):
    """Of the error's energy, 1 before, the share s was the empty band. Filled, the band's error is the sum of two unrelated signals."""
    return -10 * np.log10(1 + s * 10 ** (g_db / 10))


def exercise_12_3(least, n_fft, hop):
    """S hop / n_fft is whole if S is a multiple of n_fft / gcd(n_fft, hop)."""
    step = n_fft // math.gcd(n_fft, hop)
    return math.ceil(least / step) * step
