"""Checkers of chapter 03, Kaiser windows and upsampling by two."""

from __future__ import annotations

import numpy as np
from scipy.signal.windows import kaiser

from audiosr_lib import plotting, resampling
from audiosr_lib.exercises import checker, close, expect


@checker("03.1")
def coursework_window(answer) -> None:
    for alpha, count in [(0.0, 9), (2.0, 65), (3.15, 100)]:
        x = np.arange(count) - (count - 1) / 2
        got = answer(x.copy(), alpha, count - 1)
        close(got, kaiser(count, np.pi * alpha), f"alpha = {alpha}: I0(pi alpha sqrt(1 - (2x/L)^2)) / I0(pi alpha), x from the middle")
    got = answer(np.array([-6.0, -5.0, 0.0, 5.0, 7.5]), 1.0, 10.0)
    end = 1 / np.i0(np.pi)
    close(got, [0.0, end, 1.0, end, 0.0], "where |x| > L/2 the window is 0, not nan; at |x| = L/2 it is 1 / I0(pi alpha)")


@checker("03.2")
def images_of_three(answer) -> None:
    for f_hz, sr_low in [(1000.0, 22050.0), (440.0, 8000.0), (3999.0, 8000.0)]:
        got = answer(f_hz, sr_low)
        wanted = [sr_low - f_hz, sr_low + f_hz]
        hint = f"the spectrum repeats with period {sr_low:g} Hz and is even; the new Nyquist frequency is {1.5 * sr_low:g} Hz"
        close(got, wanted, f"{f_hz:g} Hz at {sr_low:g} Hz: {hint}", 1e-9)


@checker("03.3")
def any_time(answer) -> None:
    x = np.random.default_rng(3).standard_normal(40)
    for t, num_zeros, beta in [(20.25, 8, 6.0), (7.0, 8, 6.0), (0.4, 12, 9.0), (38.9, 12, 0.0)]:
        wanted = 0.0
        for k in range(len(x)):
            u = t - k
            if abs(u) <= num_zeros:
                wanted += x[k] * np.sinc(u) * np.i0(beta * np.sqrt(1 - (u / num_zeros) ** 2)) / np.i0(beta)
        got = answer(x.copy(), t, num_zeros, beta)
        where = (
            "at a whole t the old sample must come out" if t == round(t) else "sum x[k] h(t - k) over the k with |t - k| <= Z that exist"
        )
        close(got, wanted, f"t = {t}, Z = {num_zeros}, beta = {beta}: {where}", 1e-9)


@checker("03.4")
def better_filter(answer) -> None:
    for pass_hz, stop_hz, attenuation_db in [(9500.0, 11025.0, 80.0), (10500.0, 11025.0, 100.0), (9000.0, 11025.0, 60.0)]:
        got = answer(pass_hz, stop_hz, attenuation_db)
        expect(got is not None, "there is no answer yet: return (num_zeros, rolloff, beta)")
        expect(len(got) == 3, "return three numbers: (num_zeros, rolloff, beta)")
        num_zeros, rolloff, beta = got
        expect(num_zeros == int(num_zeros) and 0 < num_zeros < 500, "num_zeros is a whole number, some tens")
        expect(0 < rolloff <= 1 and beta >= 0, "rolloff is a share of 11 025 Hz, between 0 and 1; beta is not negative")
        wing = resampling.sinc_filter(int(num_zeros), 2, float(rolloff), float(beta)).wing
        f, level = plotting.response_db(np.concatenate([wing[:0:-1], wing]))
        f = f * resampling.SR_HIGH
        case = f"{pass_hz:g} / {stop_hz:g} Hz, {attenuation_db:g} dB: "
        ripple, stop = np.abs(level[f <= pass_hz]).max(), level[f >= stop_hz].max()
        expect(
            ripple <= 0.1,
            case + f"the pass band is off by {ripple:.2f} dB: put the cut-off half-way between pass and stop, and take a large enough Z",
        )
        expect(
            stop <= -attenuation_db,
            case + f"the stop band reaches {stop:.1f} dB: choose beta by Kaiser's rule, with a decibel or two to spare",
        )
        steps = (attenuation_db - 7.95) / 14.36 * resampling.SR_HIGH / (stop_hz - pass_hz)
        expect(
            num_zeros <= 1.2 * steps / 4 + 1,
            case + f"the half-length Z = {num_zeros} is more than needed: see the rule for the width of the transition",
        )
