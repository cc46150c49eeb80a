"""Checkers of chapter 07, data preparation."""

from __future__ import annotations

import numpy as np

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.teaching.exercises import checker, close, expect


@checker("07.1")
def starts(answer) -> None:
    for total, crop in [(10, 4), (11, 4), (88200, 88200), (88201, 88200), (100_000, 22050), (88199, 88200), (100, 88200)]:
        got = answer(total, crop)
        expect(got is not None, "there is no answer yet: return a whole number")
        wanted = sum(1 for s in range(0, total, 2) if s + crop <= total)
        if total < crop:
            expect(got == 0, f"total = {total}, crop = {crop}: the utterance is too short, so there is no start at all")
        expect(got != total - crop + 1 or got == wanted, f"total = {total}, crop = {crop}: that counts odd starts, too")
        expect(got == wanted, f"total = {total}, crop = {crop}: the starts are 0, 2, 4, ... up to total - crop")


@checker("07.2")
def leaks(answer) -> None:
    clean = [("train", "ann", "h1"), ("train", "ann", "h2"), ("train", "ann", "h2"), ("test", "ben", "h3"), ("validation", "cat", "h4")]
    got = answer(list(clean))
    expect(got is not None, "there is no answer yet: return a set")
    expect(isinstance(got, (set, frozenset)), f"return a set, not {type(got).__name__}")
    expect(got == set(), "nothing leaks in the first list: a speaker or a hash twice in one split is not a leak")
    expect(answer([*clean, ("test", "ann", "h5")]) == {"ann"}, "one speaker is in two splits: return the name")
    same_bytes = [*clean, ("test", "dan", "h1")]
    expect(answer(same_bytes) == {"h1"}, "one recording is in two splits under two speakers' names: return its hash")
    both = [*same_bytes, ("validation", "ben", "h4"), ("train", "ben", "h9")]
    expect(answer(both) == {"h1", "ben"}, "there may be several leaks at once, of both kinds")


@checker("07.3")
def gain_and_delay(answer) -> None:
    n = np.arange(SR_HIGH)
    for f_hz, g, d in [(1000, 0.5, 0), (1000, 1.0, 1), (100, 1.0, 0.5), (5000, 0.9, 1), (300, 1.2, 2), (11025, 1.0, 1)]:
        y = np.sin(2 * np.pi * f_hz * n / SR_HIGH)
        error = y - g * np.sin(2 * np.pi * f_hz * (n - d) / SR_HIGH)
        hint = f"f = {f_hz} Hz, g = {g}, d = {d}: two arrows of lengths 1 and g, the angle 2 pi f d / sr between them; the law of cosines"
        close(answer(f_hz, g, d), 10 * np.log10(np.sum(y**2) / np.sum(error**2)), hint, tolerance=1e-4)
