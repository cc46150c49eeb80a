"""Checkers of chapter 02, the STFT and the Hann window."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal.windows import bartlett, hann

from audiosr_lib import spectral
from audiosr_lib.teaching.exercises import checker, close, expect, mistake


@checker("02.1")
def shapes(answer) -> None:
    for length, n_fft, hop_length in [(44100, 1024, 256), (88200, 2048, 240), (1024, 1024, 100), (1000, 512, 61)]:
        got = answer(length, n_fft, hop_length)
        expect(got is not None, "there is no answer yet: return two whole numbers, bins and frames")
        expect(np.shape(got) == (2,), "return a pair: (number of bins, number of frames)")
        bins, count = got
        expect(bins != n_fft, "a real signal needs only half of the bins: k = 0 .. N/2")
        expect(bins == n_fft // 2 + 1, "count k = 0, 1, ..., N/2, including both ends")
        starts = len(range(0, length - n_fft + 1, hop_length))
        case = f"T = {length}, N = {n_fft}, H = {hop_length}: "
        expect(count == int(count), case + "the number of frames is a whole number: round down")
        expect(count != 1 + length // hop_length, case + "1 + floor(T/H) is the centred convention; here nothing is padded")
        expect(count == starts or count != length // hop_length, case + "floor(T/H) ignores that the last frame needs N samples")
        expect(count != starts - 1, case + "floor((T - N)/H) is the largest index m; counting starts at m = 0")
        expect(count == starts, case + "the last frame must still fit, m H + N <= T; m starts at 0")


@checker("02.2")
def one_column(answer) -> None:
    rng = np.random.default_rng(2)
    for n_fft, hop_length, m in [(64, 16, 0), (64, 16, 5), (128, 50, 3)]:
        x = rng.standard_normal(400)
        got = answer(x.copy(), m, n_fft, hop_length)
        frame, window = x[m * hop_length :][:n_fft], spectral.hann_window(n_fft)
        wanted = np.fft.rfft(frame * window)
        expect(np.shape(got) != (n_fft,), "that is all N bins, or a frame that is not transformed: keep bins 0 to N/2 (np.fft.rfft)")
        mistake(got, np.fft.rfft(frame), "the frame is not weighted: multiply by the Hann window before the transform")
        mistake(got, np.fft.rfft(frame * hann(n_fft)), "this window is symmetric, it divides by N - 1: take the periodic one, divided by N")
        mistake(got, np.abs(wanted), "X(m, k) is complex: this is its magnitude, the phase is lost")
        mistake(got, wanted.conj(), "the sign in the exponent is minus: e^(-2 pi i k n / N)")
        if 0 < m * n_fft <= len(x) - n_fft:
            mistake(got, np.fft.rfft(x[m * n_fft :][:n_fft] * window), f"frame {m} starts at sample m H = {m * hop_length}, not at m N")
        close(got, wanted, f"frame {m} starts at sample m H = {m * hop_length}; use the periodic Hann window and keep bins 0 to N/2")


@checker("02.3")
def window_length(answer) -> None:
    cases = [
        (1000, 1100, 44100, 1764),
        (1100, 1000, 44100, 1764),
        (440, 466.16, 44100, 6744),
        (100, 200, 22050, 882),
        (0, 1001, 44100, 178),
    ]
    for f1_hz, f2_hz, sr, wanted in cases:
        got = answer(f1_hz, f2_hz, sr)
        expect(got is not None, "there is no answer yet: return a whole number of samples")
        expect(np.ndim(got) == 0 and got == int(got) and int(got) % 2 == 0, "return an even whole number")
        case = f"tones {abs(f1_hz - f2_hz):g} Hz apart at {sr} Hz: "
        expect(got > 0, case + "the order of the two tones should not matter: take the absolute difference")
        half, double = (2 * math.ceil(turns * sr / abs(f1_hz - f2_hz) / 2) for turns in (2, 8))
        expect(got != half, case + "this is two bins between the tones, one half of a lobe: each tone needs its own half lobe")
        expect(got != double, case + "this is eight bins, two whole lobes: only the two halves that face each other must fit")
        expect(got != wanted - 2, case + "round up, not down: a shorter window has wider lobes")
        expect(
            got == wanted,
            case + "from its middle to its zero a Hann main lobe is two bins of sr / N wide, "
            "and two such halves must fit between the tones; round up to the next even number",
        )


@checker("02.4")
def do_they_add_up(answer) -> None:
    for window, hop in [(spectral.hann_window(64), 16), (spectral.hann_window(64), 32), (hann(64), 32), (bartlett(33)[:-1], 20),
                        (np.ones(48), 32), (np.ones(8), 10)]:  # fmt: skip
        total = np.zeros(40 * len(window))
        for start in range(0, len(total) - len(window) + 1, hop):
            total[start : start + len(window)] += window
        middle = total[4 * len(window) : -4 * len(window)]
        got = answer(window.copy(), hop)
        expect(got is not None, "there is no answer yet: return two numbers, (largest, smallest)")
        expect(np.shape(got) == (2,), "return a pair: (largest, smallest)")
        case = f"{len(window)} weights, hop {hop}: "
        wanted = (middle.max(), middle.min())
        if not np.allclose(*wanted):
            mistake(got, wanted[::-1], case + "the largest comes first")
        expect(
            hop <= len(window) or got[1] == 0,
            case + "the hop is larger than the window: the sum is 0 between two windows",
        )
        expect(
            bool(np.isclose(got[1], wanted[1])) or got[1] > 0.5 * wanted[1] or wanted[1] == 0,
            case + "the smallest value is too small: at the ends of a finite row windows are missing; look at one period in the middle",
        )
        close(got, wanted, case + "the sum repeats every H samples: for r = 0 .. H - 1 add up w[r], w[r + H], w[r + 2 H], ...")


@checker("02.5")
def way_back(answer) -> None:
    rng = np.random.default_rng(4)
    for n_fft, hop_length, count in [(64, 16, 9), (64, 27, 7), (128, 64, 5), (32, 32, 4)]:
        x = rng.standard_normal(n_fft + hop_length * (count - 1))
        spectrum = spectral.stft(x, n_fft=n_fft, hop_length=hop_length, center=False)
        window = spectral.hann_window(n_fft)
        parts = np.fft.irfft(spectrum, n_fft, axis=0)
        once, twice, first, weight = (np.zeros(len(x)) for _ in range(4))
        for m in range(count):
            here = slice(m * hop_length, m * hop_length + n_fft)
            once[here] += parts[:, m]
            twice[here] += window * parts[:, m]
            first[here] += window
            weight[here] += window**2
        got = answer(spectrum.copy(), n_fft, hop_length)
        case = f"N = {n_fft}, H = {hop_length}: "
        if np.shape(got) == x.shape:
            expect(not np.any(np.isnan(np.asarray(got, dtype=float))), case + "0 / 0: where no window reaches, return 0")
        mistake(got, once, case + "the frames are added, but not divided by what the windows add up to")
        mistake(got, twice, case + "weighted twice and added; now divide by the sum of the squared windows")
        mistake(got, once / (window.sum() / hop_length), case + "one division by C is right only under COLA, and not at the two ends")
        safe = np.where(first > 0, first, 1.0)
        mistake(got, twice / safe, case + "two weightings, so divide by the sum of the *squared* windows")
        close(
            got,
            np.where(weight > 0, x, 0.0),
            case + "inverse-transform each frame, multiply by the window again, add at sample m H, "
            "and divide by the sum of the squared windows where that sum is above 0",
        )
