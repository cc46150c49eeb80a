"""Worked solutions of chapter 06, losses and metrics."""

import numpy as np


def exercise_06_1(log_magnitude, snr_db):
    """Each entry of the log magnitude is |ln|g||, so |g| is e^L_mag or e^-L_mag, and the sign is open: four candidates.

    The error is (1 - g) y, so the SNR is -20 log10|1 - g|. So |1 - g| = 10^(-SNR/20);
    g is the candidate that comes nearest to that.
    """
    candidates = np.outer([1, -1], np.exp([log_magnitude, -log_magnitude])).ravel()
    return float(candidates[np.argmin(np.abs(np.abs(1 - candidates) - 10 ** (-snr_db / 20)))])


def exercise_06_2(target, estimate, floor):
    """The order: power, floor, root. Then the Frobenius norms, and the mean of absolute differences of natural logarithms."""
    a, b = (np.sqrt(np.maximum(np.abs(s) ** 2, floor)) for s in (target, estimate))
    return np.sqrt(np.sum((a - b) ** 2)) / np.sqrt(np.sum(a**2)), np.mean(np.abs(np.log(a) - np.log(b)))


def exercise_06_3(y, cut_hz, sr):
    """The error is the missing band itself, and by Parseval's theorem its energy is the sum of its bins.

    rfft keeps only the bins from 0 to the Nyquist frequency. Each of them stands for itself and for its mirror image, so it counts
    twice. Only 0 Hz has no mirror image, and the bin at the Nyquist frequency, which exists if the length is even.
    """
    power = 2 * np.abs(np.fft.rfft(y)) ** 2
    power[0] /= 2
    if len(y) % 2 == 0:
        power[-1] /= 2
    missing = np.fft.rfftfreq(len(y), 1 / sr) >= cut_hz
    return 10 * np.log10(power.sum() / power[missing].sum())


def exercise_06_4(p_hat, p, base, floor, least):
    """Choose frames by the unclamped target, clamp both, divide natural logarithms by ln(base); mean over bins, root, mean over frames."""
    kept = p.mean(axis=0) >= least
    difference = (np.log(np.maximum(p, floor)) - np.log(np.maximum(p_hat, floor))) / np.log(base)
    return np.mean(np.sqrt(np.mean(difference[:, kept] ** 2, axis=0)))


def exercise_06_5():
    """Pulses 625 samples apart: a window of 600 holds one at most, a window of 1200 holds one or two.

    32 x 625 = 20000, and a first pulse in the middle of its stretch keeps the mirrored ends 624 samples away or more.
    Flip the sign of every second pulse. The long window then sees two pulses of equal or of opposite sign: ripples in the
    spectrum, with peaks where the other has gaps.
    """
    a, b = np.zeros(20_000), np.zeros(20_000)
    a[312::625] = 0.5
    b[312::625] = 0.5 * (-1.0) ** np.arange(32)
    return a, b
