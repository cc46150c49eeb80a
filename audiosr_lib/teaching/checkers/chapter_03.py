"""Checkers of chapter 03, Kaiser windows and upsampling by two."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal.windows import kaiser

from audiosr_lib import resampling
from audiosr_lib.teaching import plotting
from audiosr_lib.teaching.exercises import checker, close, expect, mistake


@checker("03.1")
def coursework_window(answer) -> None:
    for alpha, count in [(0.0, 9), (2.0, 65), (3.15, 100)]:
        x = np.arange(count) - (count - 1) / 2
        got = answer(x.copy(), alpha, count - 1)
        if alpha:
            mistake(got, kaiser(count, alpha), f"alpha = {alpha}: pi is missing, the argument of I0 is pi alpha times the root")
            mistake(got, kaiser(count, np.pi * alpha) * np.i0(np.pi * alpha), "divide by I0(pi alpha), so that the middle is 1")
            half = np.i0(np.pi * alpha * np.sqrt(1 - (x / (count - 1)) ** 2)) / np.i0(np.pi * alpha)
            mistake(got, half, "x runs from -L/2 to L/2: 2x/L, not x/L, stands under the root")
        close(got, kaiser(count, np.pi * alpha), f"alpha = {alpha}: I0(pi alpha sqrt(1 - (2x/L)^2)) / I0(pi alpha), x from the middle")
    got = answer(np.array([-6.0, -5.0, 0.0, 5.0, 7.5]), 1.0, 10.0)
    end = 1 / np.i0(np.pi)
    expect(not np.any(np.isnan(np.asarray(got, dtype=float))), "the root of a negative number is nan: outside the window the weight is 0")
    mistake(got, [0.0, 0.0, 1.0, 0.0, 0.0], "at |x| = L/2 the window is not 0 but 1 / I0(pi alpha)")
    mistake(got, [end, end, 1.0, end, end], "outside the window, |x| > L/2, the weight is 0, not that of the end")
    close(got, [0.0, end, 1.0, end, 0.0], "where |x| > L/2 the window is 0, not nan; at |x| = L/2 it is 1 / I0(pi alpha)")


@checker("03.2")
def images_of_three(answer) -> None:
    for f_hz, sr_low in [(1000.0, 22050.0), (440.0, 8000.0), (3999.0, 8000.0)]:
        got = answer(f_hz, sr_low)
        wanted = [sr_low - f_hz, sr_low + f_hz]
        case = f"{f_hz:g} Hz at {sr_low:g} Hz: "
        expect(np.shape(got) != () or got is None or got is Ellipsis, case + "return a list: there is more than one image")
        mistake(got, [sr_low - f_hz], case + "there is more than one image: the new Nyquist frequency is 1.5 times the old rate")
        mistake(got, [f_hz, *wanted], case + "the tone itself is not an image")
        mistake(got, wanted[::-1], case + "return the images in rising order")
        mistake(
            got, [*wanted, 2 * sr_low - f_hz], case + f"{2 * sr_low - f_hz:g} Hz lies above the new Nyquist frequency {1.5 * sr_low:g} Hz"
        )
        hint = f"the spectrum repeats with period {sr_low:g} Hz and is even; the new Nyquist frequency is {1.5 * sr_low:g} Hz"
        close(got, wanted, case + hint, 1e-9)


@checker("03.3")
def kaisers_rules(answer) -> None:
    for attenuation_db, width_hz in [(60.0, 2000.0), (80.0, 1500.0), (100.0, 500.0), (120.0, 1000.0)]:
        got = answer(attenuation_db, width_hz)
        expect(got is not None and got is not Ellipsis, "there is no answer yet: return (alpha, num_zeros)")
        expect(np.shape(got) == (2,), "return two numbers: (alpha, num_zeros)")
        alpha, num_zeros = got
        case = f"{attenuation_db:g} dB, {width_hz:g} Hz: "
        beta = 0.1102 * (attenuation_db - 8.7)
        expect(not np.isclose(alpha, beta), case + "this is beta; the coursework's alpha is beta / pi")
        expect(not np.isclose(alpha, beta * np.pi), case + "beta = pi alpha, so divide by pi")
        expect(np.isclose(alpha, beta / np.pi, rtol=1e-3), case + "beta = 0.1102 (A - 8.7), and alpha = beta / pi")
        steps = (attenuation_db - 7.95) / 14.36 * resampling.SR_HIGH / width_hz
        wanted = math.ceil(steps / 4)
        expect(num_zeros == int(num_zeros), case + "Z is a whole number")
        expect(num_zeros != math.floor(steps / 4), case + "round up: a shorter filter has a wider transition")
        expect(num_zeros != math.ceil(steps / 8), case + f"too short by half: R is the rate after upsampling, {resampling.SR_HIGH} Hz")
        expect(
            num_zeros not in (math.ceil(steps), math.ceil(steps / 2)),
            case + "the filter has 4 Z steps at 44.1 kHz: two for each low-rate sample, on both sides",
        )
        expect(num_zeros == wanted, case + "solve the rule for the width, (A - 7.95) / 14.36 R / (4 Z) <= width, for Z, and round up")


@checker("03.4")
def any_time(answer) -> None:
    x = np.random.default_rng(3).standard_normal(40)

    def by_hand(t, num_zeros, beta, reach=None, window=True):
        total = 0.0
        for k in range(len(x)):
            u = t - k
            if abs(u) <= (reach or num_zeros):
                taper = np.i0(beta * np.sqrt(max(0.0, 1 - (u / num_zeros) ** 2))) / np.i0(beta) if window else 1.0
                total += x[k] * np.sinc(u) * taper
        return total

    for t, num_zeros, beta in [(20.25, 8, 6.0), (7.0, 8, 6.0), (0.4, 12, 9.0), (38.9, 12, 0.0)]:
        got = answer(x.copy(), t, num_zeros, beta)
        case = f"t = {t}, Z = {num_zeros}, beta = {beta}: "
        if beta and t != round(t):
            expect(
                np.ndim(got) != 0 or got is None or not np.isnan(got),
                case + "the root of a negative number: omit the samples beyond Z",
            )
            mistake(
                got, by_hand(t, num_zeros, beta, window=False), case + "the sinc is truncated, but not faded: multiply by the Kaiser window"
            )
            mistake(got, by_hand(t, num_zeros, np.pi * beta), case + "beta is pi alpha already: do not multiply by pi again")
            mistake(got, by_hand(t, 2 * num_zeros, beta, num_zeros), case + "the window reaches from -Z to Z, its duration is L = 2 Z")
        where = (
            "at a whole t the old sample must come out" if t == round(t) else "sum x[k] h(t - k) over the k with |t - k| <= Z that exist"
        )
        close(got, by_hand(t, num_zeros, beta), case + where, 1e-9)


@checker("03.5")
def by_any_factor(answer) -> None:
    rng = np.random.default_rng(5)
    for up, count, length in [(2, 9, 20), (3, 13, 20), (3, 12, 7), (5, 4, 11)]:
        x, h = rng.standard_normal(length), rng.standard_normal(count)
        stuffed = np.zeros(up * length)
        stuffed[::up] = x
        wanted = np.convolve(stuffed, h)[: up * length]
        got = answer(x.copy(), h.copy(), up)
        case = f"factor {up}, {count} taps: "
        expect(np.shape(got) != (up * length + count - 1,), case + "keep only the first up * len(x) samples")
        if up <= count:
            phases = [np.convolve(x, h[p::up])[:length] for p in range(up)]
            mistake(got, np.concatenate(phases), case + "the outputs of the phases follow one another: they must alternate")
            mistake(
                got,
                np.stack(phases[::-1], axis=1).ravel(),
                case + "the order of the phases is reversed: output up n + p uses h[p], h[p + up], ...",
            )
            wrong = [np.convolve(x, h[p::up][::-1])[:length] for p in range(up)]
            mistake(got, np.stack(wrong, axis=1).ravel(), case + "np.convolve reverses the taps: do not reverse them before")
            mistake(got, wanted / up, case + "the taps already include the gain: do not divide")
        close(got, wanted, case + "output up n + p is the sum over j of x[n - j] h[p + j up]; a phase may have no taps at all")


@checker("03.6")
def better_filter(answer) -> None:
    for pass_hz, stop_hz, attenuation_db in [(9500.0, 11025.0, 80.0), (10500.0, 11025.0, 100.0), (9000.0, 11025.0, 60.0)]:
        got = answer(pass_hz, stop_hz, attenuation_db)
        expect(got is not None, "there is no answer yet: return (num_zeros, rolloff, beta)")
        expect(len(got) == 3, "return three numbers: (num_zeros, rolloff, beta)")
        num_zeros, rolloff, beta = got
        expect(num_zeros == int(num_zeros) and 0 < num_zeros < 500, "num_zeros is a whole number from 1 to 499")
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
