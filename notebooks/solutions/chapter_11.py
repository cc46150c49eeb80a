"""Worked solutions of notebook 11_is_the_coursework_right."""

import numpy as np


def exercise_11_1(snr_db):
    """log of a root is half the log, so the first prints half the decibels.

    The second prints ln r with r = 10^(SNR / 10), that is SNR ln(10) / 10 = 0.23 SNR. For 28.3 dB they print 14.2 and 6.5.
    """
    return snr_db / 2, snr_db * np.log(10) / 10


def exercise_11_2(log_y_hat, log_y, level_db):
    """A gain of L dB multiplies power by 10^(L / 10), so it adds L ln(10) / 10 to every X and Y.

    In Y - X it cancels, so LSD and the denominator stay; the numerator is the sum of squares of the shifted Y.
    """
    shift = level_db * np.log(10) / 10
    return 10 * np.log10(np.sum((log_y + shift) ** 2) / np.sum((log_y - log_y_hat) ** 2))


def exercise_11_3(low, high, sign):
    """Multiply by the sign: then a decided gain is an interval wholly above zero, and its lower end is the smaller product."""
    return "reproduced" if min(sign * low, sign * high) > 0 else "not reproduced"
