"""Worked solutions of chapter 02, the STFT and the Hann window."""

import math

import numpy as np


def exercise_02_1(length, n_fft, hop_length):
    """The bins are k = 0, 1, ..., N/2, both ends included: N/2 + 1 of them.

    Frame m covers the samples m H .. m H + N - 1. It fits while m H + N <= T, so m <= (T - N) / H. The largest m is that,
    rounded down; counting from m = 0 gives one frame more than the largest index.
    """
    return n_fft // 2 + 1, 1 + (length - n_fft) // hop_length


def exercise_02_2(x, m, n_fft, hop_length):
    """Cut frame m, weight it, transform it.

    The periodic Hann window divides by N, not by N - 1. `rfft` returns just the bins 0 .. N/2 of a real signal.
    """
    n = np.arange(n_fft)
    window = 0.5 * (1 - np.cos(2 * np.pi * n / n_fft))
    return np.fft.rfft(x[m * hop_length + n] * window)


def exercise_02_3(f1_hz, f2_hz, sr):
    """From its middle to its first zero, a Hann main lobe is 2 bins wide, and a bin is sr / N hertz.

    Each tone has one such half between itself and the other tone, so the distance must be at least
    4 sr / N. Solve for N, and round up to an even number.
    """
    return 2 * math.ceil(2 * sr / abs(f1_hz - f2_hz))


def exercise_02_4(window, hop_length):
    """The sum of infinitely many shifted windows repeats every H samples, so one period of H values says it all.

    At the place r of a period the weights w[r], w[r + H], w[r + 2 H], ... meet: one from each window that reaches there. If the hop is
    larger than the window, none does for r >= N, and the sum of no numbers is 0.
    """
    sums = [window[r::hop_length].sum() for r in range(hop_length)]
    return max(sums), min(sums)


def exercise_02_5(spectrum, n_fft, hop_length):
    """Overlap-add with the window used twice, divided by the sum of the squared windows.

    Each inverse transform gives window * signal. After the second multiplication all frames that cover a sample t together hold
    x[t] times the sum of w^2, and the division leaves x[t]. The first sample of a Hann window is 0: where no
    other frame covers it, the sum is 0 and the sample is lost.
    """
    window = 0.5 * (1 - np.cos(2 * np.pi * np.arange(n_fft) / n_fft))
    frames = np.fft.irfft(spectrum, n_fft, axis=0)
    total = n_fft + hop_length * (spectrum.shape[1] - 1)
    x, weight = np.zeros(total), np.zeros(total)
    for m in range(spectrum.shape[1]):
        here = slice(m * hop_length, m * hop_length + n_fft)
        x[here] += window * frames[:, m]
        weight[here] += window**2
    return np.divide(x, weight, out=np.zeros(total), where=weight > 1e-10)
