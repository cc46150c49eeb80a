"""Checkers of chapter 01, digital audio."""

from __future__ import annotations

import math

import numpy as np

from audiosr_lib import signals
from audiosr_lib.teaching.exercises import checker, close, expect


@checker("01.1")
def size_in_bytes(answer) -> None:
    for seconds, sample_rate, bits, channels in [(60, 44100, 16, 2), (2, 22050, 16, 1), (1, 48000, 24, 2), (10, 8000, 8, 1)]:
        got = answer(seconds, sample_rate, bits, channels)
        expect(got is not None, "there is no answer yet: return a whole number of bytes")
        expect(np.ndim(got) == 0, "return one number")
        total_bits = seconds * sample_rate * bits * channels
        case = f"{seconds} s, {sample_rate} Hz, {bits} bit, {channels} channel(s): "
        expect(got != total_bits, case + "these are bits; a byte has eight")
        expect(channels == 1 or got * 8 * channels != total_bits, case + "each channel has its own samples")
        expect(got * 8 == total_bits, case + "samples a second, times bits a sample, times channels, times seconds; then bytes")


@checker("01.2")
def aliases(answer) -> None:
    for sample_rate in (22050, 8000, 44100):
        f_hz = np.array([0.0, 0.1, 0.45, 0.5, 0.55, 0.9, 1.0, 1.3, 1.7, 2.25, 7.6]) * sample_rate
        got = answer(f_hz.copy(), sample_rate)
        expect(got is not None, "there is no answer yet: return an array of frequencies")
        expect(np.shape(got) == f_hz.shape, f"return one frequency for each of the {len(f_hz)} tones")
        got = np.asarray(got, dtype=float)
        expect(bool(np.all(got >= -1e-6)), "a negative frequency sounds like the positive one: drop the sign")
        wrapped = bool(np.any(got > sample_rate / 2 + 1e-6))
        expect(
            not wrapped,
            f"no result lies above {sample_rate / 2:g} Hz: subtract whole multiples of the rate, then fold the rest",
        )
        wanted = np.abs((f_hz + sample_rate / 2) % sample_rate - sample_rate / 2)
        expect(bool(np.allclose(got[:4], f_hz[:4], atol=1e-3)), "a tone up to half of the sample rate stays where it is")
        worst = int(np.argmax(np.abs(got - wanted)))
        close(
            got,
            wanted,
            f"{f_hz[worst]:g} Hz at {sample_rate} Hz: subtract the nearest multiple of {sample_rate} Hz, then drop the sign",
            1e-9,
        )


@checker("01.3")
def quantiser(answer) -> None:
    rng = np.random.default_rng(13)
    for bits in (3, 8, 12):
        step = 2.0 ** (1 - bits)
        inside = rng.uniform(-1, 1 - step, 500)
        got = answer(inside.copy(), bits)
        expect(got is not None, "there is no answer yet: return an array of amplitudes")
        expect(np.shape(got) == inside.shape, "return one amplitude for each sample")
        got = np.asarray(got, dtype=float)
        expect(np.abs(got).max() <= 1, "return amplitudes, not codes: multiply the code by the step")
        steps = got / step
        half = np.allclose(steps - np.floor(steps), 0.5, atol=1e-6)
        expect(not half, "your levels lie half-way between multiples of the step; here 0 is a level")
        expect(np.allclose(steps, np.round(steps), atol=1e-6), f"{bits} bits: every level is a multiple of the step {step:g} = 2 / 2^b")
        expect(np.abs(got - inside).max() < 0.75 * step, "the error exceeds half a step: round to the nearest level, do not truncate")
        close(got, step * np.round(inside / step), f"{bits} bits: round x / step, then multiply by the step", 1e-9)
        loud = np.array([-3.0, -1.0, 1.0, 2.5, 1 - step])
        wanted = np.array([-1.0, -1.0, 1 - step, 1 - step, 1 - step])
        got = answer(loud.copy(), bits)
        expect(np.shape(got) == loud.shape, "return one amplitude for each sample")
        expect(np.max(got) < 1, f"{bits} bits: the highest code is 2^(b-1) - 1, so the highest level is 1 - step")
        close(got, wanted, f"{bits} bits: outside the range take the lowest or highest level", 1e-9)


@checker("01.4")
def enough_bits(answer) -> None:
    cases = [(90.0, 18.0, 12.0), (60.0, 14.0, 0.0), (96.0, 3.0103, 0.0), (40.0, 20.0, 12.0), (49.9, 3.0103, 0.0)]
    for wanted_db, crest_db, headroom_db in cases:
        got = answer(wanted_db, crest_db, headroom_db)
        expect(got is not None, "there is no answer yet: return a whole number")
        expect(np.ndim(got) == 0 and got == int(got), "return one whole number")
        per_bit = 20 * math.log10(2)
        need = (wanted_db - 10 * math.log10(3) + crest_db + headroom_db) / per_bit
        right = math.ceil(need)
        case = f"{wanted_db:g} dB wanted, crest factor {crest_db:g} dB, headroom {headroom_db:g} dB: "
        if got != right:
            sine = math.ceil((wanted_db - 10 * math.log10(1.5)) / per_bit)
            too_much = math.ceil((wanted_db - 10 * math.log10(1.5) + crest_db + headroom_db) / per_bit)
            opposite = math.ceil((wanted_db - 10 * math.log10(3) - crest_db - headroom_db) / per_bit)
            expect(got != sine, case + "6.02 b + 1.76 is the formula of a full-scale sine, and this signal is not one")
            expect(got != opposite, case + "headroom and crest factor lower the level, so they cost bits; look at your signs")
            without = [math.ceil((wanted_db - 10 * math.log10(3) + part) / per_bit) for part in (crest_db, headroom_db)]
            expect(got not in without or got == math.floor(need), case + "both the headroom and the crest factor lower the level")
            expect(got != math.floor(need), case + "round up: fewer bits would not be enough")
            expect(got != too_much, case + "1.76 dB includes the crest factor of a sine; with another crest factor, start from 4.77 dB")
        expect(got == right, case + "the level is minus the headroom minus the crest factor; solve 6.02 b + 4.77 + level >= wanted for b")


@checker("01.5")
def same_from_below(answer) -> None:
    rng = np.random.default_rng(15)
    for length, ratio in ((4410, 4.0), (2000, 1.0), (1502, 2.5), (2000, 0.3), (2000, 0.0)):
        spectrum = np.fft.rfft(signals.synthetic_speech(length / 44100, 44100, rng) + 0.01 * rng.standard_normal(length))
        spectrum[-1] = 0  # 22 050 Hz
        if length % 4 == 0:
            spectrum[length // 4] = 0  # 11 025 Hz
        y = np.fft.irfft(spectrum, length)
        got = answer(y.copy(), ratio)
        expect(got is not None, "there is no answer yet: return a signal")
        expect(np.shape(got) == y.shape, "return as many samples as y has")
        expect(not np.iscomplexobj(got), "return a real signal: np.fft.irfft(spectrum, len(y))")
        before, after = np.fft.rfft(y), np.fft.rfft(got)
        upper = np.arange(len(before)) * 4 > length  # k * 44100 / length > 11 025
        scale = np.abs(before).max()
        expect(
            np.abs(after - before)[~upper].max() < 1e-6 * scale, "the low-rate version has changed: leave every bin below 11 025 Hz alone"
        )
        of_upper = np.sum(np.fft.irfft(np.where(upper, before, 0), length) ** 2)
        energy = np.sum(np.square(got)) / np.sum(y**2)
        missing = np.sum(np.abs(after[upper]) ** 2) < 1e-6 * np.sum(np.abs(before[upper]) ** 2)
        expect(not missing, "your upper band is empty: that signal has less energy than y")
        expect(abs(energy - 1) < 1e-6, f"the energy is {energy:.4f} times that of y: turn the upper bins, do not scale them")
        measured = np.sum((got - y) ** 2) / of_upper
        expect(
            abs(measured - 4) > 1e-6 or ratio == 4, f"ratio {ratio:g}: you changed the sign, and that is ratio 4; turn the phase by less"
        )
        case = f"ratio {ratio:g}: the squared error is {measured:.3f} times the energy of the upper band; "
        expect(abs(measured - ratio) < 1e-4, case + "a bin turned by theta moves by 2 - 2 cos(theta) of its own square: solve for theta")
