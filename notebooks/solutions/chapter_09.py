"""Worked solutions of notebook 09."""

import numpy as np


def exercise_09_1(z, running_mean, running_var, gamma, beta, eps=1e-5):
    """One affine map for each channel; nothing depends on z's own mean, so a recording's result does not depend on its company."""
    scale = gamma / np.sqrt(running_var + eps)
    return scale[:, None] * (z - running_mean[:, None]) + beta[:, None]


def exercise_09_2(share):
    """0.9**n < share means n log 0.9 < log share; log 0.9 is negative, so dividing by it turns the sign around: n > log share / log 0.9."""
    return int(np.floor(np.log(share) / np.log(0.9))) + 1


def exercise_09_3(values, patience, gain):
    """As without a gain, but with a stricter test.

    The reference is the best value that counted, so slow progress counts once it has added up.
    """
    best = 0
    for i, value in enumerate(values):
        if value < values[best] - gain:
            best = i
        if i - best >= patience:
            return i, best
    return len(values) - 1, best
