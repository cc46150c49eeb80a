"""Checkers of chapter 10, tables of results."""

from __future__ import annotations

import numpy as np

from audiosr_lib import metrics, signals
from audiosr_lib.teaching.exercises import checker, close, expect


@checker("10.1")
def wrong_gain(answer) -> None:
    """SNR of g y against y, measured on noise."""
    expect(answer(0.5) is not None, "return a number: the error of g y is y - g y = (1 - g) y, so put that into the formula of SNR")
    y = np.random.default_rng(10).standard_normal(4000)
    for g in (0.5, 0.9, 1.1, 0.01, 2.0, -1.0):
        got = answer(g)
        expect(np.ndim(got) == 0 and np.isfinite(got), f"for g = {g} return one finite number: take the absolute value of 1 - g")
        wanted = metrics.snr_db(g * y, y)
        expect(
            wanted == 0 or abs(2 * got - wanted) > 1e-6 * abs(wanted),
            "half the right value: with norms that are not squared the factor is 20, not 10",
        )
        expect(abs(got - wanted) < 1e-6, f"wrong for g = {g}: the energy of (1 - g) y is (1 - g)^2 times that of y")


@checker("10.2")
def convert_lsd(answer) -> None:
    """Natural log -> (log10, dB), on the coursework's three values."""
    for value in (6.272, 6.119, 2.6916):
        got = answer(value)
        expect(got is not None, "return a pair: log10(v) = ln(v) / ln(10), and a decibel is a tenth of a unit of log10 of power")
        expect(np.shape(got) == (2,), f"return two numbers, (log10, dB); yours has shape {np.shape(got)}")
        log10, in_db = value / np.log(10), 10 * value / np.log(10)
        close(got[0], log10, "the first number: all differences of logarithms shrink by one factor, and LSD with them; divide by ln 10")
        close(got[1], in_db, "the second number: 10 log10 is ten times log10 (20 would be for magnitudes)")


@checker("10.3")
def delayed_tone(answer) -> None:
    """SNR of a delayed sine, measured over whole periods."""
    expect(answer(1000.0, 1, 44100) is not None, "start from sin(a) - sin(b) = 2 sin((a - b) / 2) cos((a + b) / 2): what is the amplitude?")
    for freq_hz, d, sr in ((1000.0, 1, 44100), (7350.0, 1, 44100), (500.0, 3, 44100), (400.0, 4, 22050), (3000.0, 2, 48000)):
        y = signals.sine(freq_hz, 1.0, sr)  # whole periods, so that a circular shift is a delay
        wanted = metrics.snr_db(np.roll(y, d), y)
        got = answer(freq_hz, d, sr)
        expect(np.ndim(got) == 0 and np.isreal(got) and np.isfinite(got), "return one finite real number, in dB")
        expect(
            abs(got - wanted) < 1e-5,
            f"for {freq_hz:g} Hz and {d} sample(s) at {sr} Hz the measured SNR is {wanted:.3f} dB, yours {got:.3f} dB. "
            "The difference has the amplitude 2 |sin(pi f d / sr)|",
        )
