"""Worked solutions of chapter 03, Kaiser windows and upsampling by two."""

import math

import numpy as np


def exercise_03_1(x, alpha, duration):
    """Under the root stands 1 - (2x/L)^2. Outside the window it is negative: replace it by 0 first, then set those weights to 0."""
    inside = np.abs(x) <= duration / 2
    root = np.sqrt(np.where(inside, 1 - (2 * x / duration) ** 2, 0.0))
    return np.where(inside, np.i0(np.pi * alpha * root) / np.i0(np.pi * alpha), 0.0)


def exercise_03_2(f_hz, sr_low):
    """The stuffed signal's spectrum is the old one, and that repeats with period sr_low.

    A real tone has lines at +f and -f, so there are lines at all k sr_low + f and k sr_low - f.
    The new rate is 3 sr_low, its Nyquist frequency 1.5 sr_low. Up to there lie f itself, sr_low - f and sr_low + f;
    the next one, 2 sr_low - f, is above, since f < sr_low / 2.
    """
    return [sr_low - f_hz, sr_low + f_hz]


def exercise_03_3(attenuation_db, width_hz):
    """The first rule gives beta, and alpha = beta / pi.

    The second one, width = (A - 7.95) / 14.36 * R / (4 Z), is solved for Z. R is the rate at which the filter runs, 44.1 kHz.
    A longer filter has a narrower transition, so round up.
    """
    beta = 0.1102 * (attenuation_db - 8.7)
    num_zeros = (attenuation_db - 7.95) / 14.36 * 44100 / (4 * width_hz)
    return beta / math.pi, math.ceil(num_zeros)


def exercise_03_4(x, t, num_zeros, beta):
    """Every sample within Z of t counts, weighted by the windowed sinc at its distance.

    Samples beyond the ends are zero, so they are simply not in the sum.
    """
    u = t - np.arange(len(x))
    near = np.abs(u) <= num_zeros
    window = np.i0(beta * np.sqrt(1 - (u[near] / num_zeros) ** 2)) / np.i0(beta)
    return float(np.sum(x[near] * np.sinc(u[near]) * window))


def exercise_03_5(x, h, up):
    """Output number up n + p meets only the taps h[p], h[p + up], h[p + 2 up], ...: the others fall on stuffed zeros.

    So phase p is the convolution of x with every up-th tap, from the p-th on, and the phases take turns. With fewer taps than `up`
    some phases have no tap, and their outputs stay 0.
    """
    y = np.zeros(up * len(x))
    for p in range(min(up, len(h))):
        y[p::up] = np.convolve(x, h[p::up])[: len(x)]
    return y


def exercise_03_6(pass_hz, stop_hz, attenuation_db):
    """Kaiser's two rules, with two decibels to spare because they are empirical.

    The cut-off, the -6 dB point, lies in the middle of the transition. The rule for the width gives the number of steps of the filter
    at 44.1 kHz; one unit of Z, a low-rate sample, is two such steps on one side, four on both.
    """
    a = attenuation_db + 2
    beta = 0.1102 * (a - 8.7)
    steps = (a - 7.95) / 14.36 * 44100 / (stop_hz - pass_hz)
    rolloff = (pass_hz + stop_hz) / 2 / 11025
    return math.ceil(steps / 4), rolloff, beta
