"""Checkers of chapter 02, the STFT and the Hann window."""

from __future__ import annotations

import numpy as np

from audiosr_lib import spectral
from audiosr_lib.exercises import checker, close, expect


@checker("02.1")
def shapes(answer) -> None:
    for length, n_fft, hop_length in [(44100, 1024, 256), (88200, 2048, 240), (1024, 1024, 100), (1000, 512, 61)]:
        got = answer(length, n_fft, hop_length)
        expect(got is not None, "there is no answer yet: return two whole numbers, bins and frames")
        expect(np.shape(got) == (2,), "return a pair: (number of bins, number of frames)")
        expect(got[0] == n_fft // 2 + 1, "count k = 0, 1, ..., N/2: both ends belong to it")
        starts = len(range(0, length - n_fft + 1, hop_length))
        expect(got[1] == starts, f"T = {length}, N = {n_fft}, H = {hop_length}: the last frame must still fit; m starts at 0")


@checker("02.2")
def one_column(answer) -> None:
    rng = np.random.default_rng(2)
    for n_fft, hop_length, m in [(64, 16, 0), (64, 16, 5), (128, 50, 3)]:
        x = rng.standard_normal(400)
        got = answer(x.copy(), m, n_fft, hop_length)
        wanted = spectral.stft(x, n_fft=n_fft, hop_length=hop_length, center=False)[:, m]
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
        expect(
            got == wanted,
            f"tones {abs(f1_hz - f2_hz):g} Hz apart at {sr} Hz: from its middle to its zero a Hann main lobe is two bins of sr / N wide, "
            "and two such halves must fit between the tones; round up to the next even number",
        )


@checker("02.4")
def way_back(answer) -> None:
    rng = np.random.default_rng(4)
    for n_fft, hop_length, count in [(64, 16, 9), (64, 27, 7), (128, 64, 5), (32, 32, 4)]:
        x = rng.standard_normal(n_fft + hop_length * (count - 1))
        spectrum = spectral.stft(x, n_fft=n_fft, hop_length=hop_length, center=False)
        weight = np.zeros(len(x))
        for m in range(count):
            weight[m * hop_length : m * hop_length + n_fft] += spectral.hann_window(n_fft) ** 2
        got = answer(spectrum.copy(), n_fft, hop_length)
        close(
            got,
            np.where(weight > 0, x, 0.0),
            f"N = {n_fft}, H = {hop_length}: inverse-transform each frame, multiply by the window again, add at sample m H, "
            "and divide by the sum of the squared windows where that sum is above 0",
        )
