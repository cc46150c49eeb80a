"""Checkers of chapter 12, the light network."""

from __future__ import annotations

import math

import numpy as np

from audiosr_lib.teaching.exercises import checker, close, expect, mistake

SIGMA = np.pi / np.sqrt(6) / np.log(10)  # standard deviation of log10 of an exponential number


@checker("12.1")
def two_noises(answer) -> None:
    """LSD of two noises, by the difference of their levels."""
    for d in (0.0, 6.0, -25.0):
        got, wanted = answer(d), np.hypot(np.sqrt(2) * SIGMA, d / 10)
        mistake(got, np.hypot(SIGMA, d / 10), "this is for an estimate of constant mean logarithm: here both powers are random")
        if d:
            mistake(
                got, np.sqrt(2) * SIGMA + abs(d) / 10, "a constant and a random difference add as squares under the root, not as they are"
            )
            mistake(got, np.hypot(np.sqrt(2) * SIGMA, d), "LSD is in log10 of power, so in bels: 10 dB are 1")
            mistake(
                got, np.hypot(np.sqrt(2) * SIGMA, d / 20), "a level difference of 20 dB is a factor of 100 in power, so 2 in log10 of power"
            )
        close(got, wanted, "under LSD's root stands the mean square of the difference: its variance plus the square of its mean")


@checker("12.2")
def price_of_a_band(answer) -> None:
    """Change of the SNR when a band is filled with something unrelated."""
    for s, g in ((1.0, 0.0), (0.5, 0.0), (0.8, -6.0), (0.3, 10.0)):
        got, ratio = answer(s, g), 10 ** (g / 10)
        mistake(got, 10 * np.log10(1 + s * ratio), "the size is right: but does the SNR rise or fall?")
        if g:
            mistake(got, -10 * np.log10(1 + s * 10 ** (g / 20)), "energies are needed: g dB are a factor of 10 ** (g / 10) in energy")
        if s < 1:
            mistake(got, -10 * np.log10(1 + ratio), "only the share s of the error lies in the band; the rest stays as it is")
        close(got, -10 * np.log10(1 + s * ratio), "let the error have the energy 1 before; how much is added by the filling?")


@checker("12.3")
def shifts(answer) -> None:
    """Shifts of a whole number of turns from frame to frame."""
    for least, n_fft, hop in ((101, 1024, 256), (104, 1024, 256), (1, 1024, 512), (10, 1000, 240), (7, 512, 512), (3, 2048, 300)):
        step = n_fft // math.gcd(n_fft, hop)
        got = answer(least, n_fft, hop)
        if least % step:
            mistake(got, least // step * step, "the shift must not be smaller than asked for: round up")
        if n_fft % hop:
            mistake(got, -(-least // (n_fft // hop)) * (n_fft // hop), "the hop need not divide the length: when is S hop / n_fft whole?")
        expect(got is not None and got == int(got), "return a whole number of bins")
        close(got, -(-least // step) * step, "S hop / n_fft is whole if S is divisible by n_fft / gcd(n_fft, hop)")
