"""Speed and memory are measured as they are."""

import numpy as np
import pytest

from audiosr_lib.inference import timing


def test_real_time_ratio(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    waits = iter([0.0, 0.0, 0.1, 0.05])  # two warm-up calls, then two rounds

    def slow(x):
        clock[0] += next(waits)
        return np.repeat(x, 2)

    x = np.zeros(22050, np.float32)  # one second
    (slept,) = timing.real_time_ratios({"slept": slow}, x, repeats=2)
    assert slept.rounds == pytest.approx((10, 20)) and slept.ratio == pytest.approx(20)  # the best round
    with pytest.raises(ValueError, match="two samples for each"):
        timing.real_time_ratios({"wrong": lambda x: x}, x, repeats=1)


def test_memory_counts_what_is_held_and_what_passes():
    held = timing.peak_memory_bytes(lambda: np.ones(5_000_000))  # 40 MB, returned
    passing = timing.peak_memory_bytes(lambda: np.ones(10_000_000).sum() and np.ones(10_000_000).sum())  # 80 MB, twice, one after the other
    assert 30e6 < held < 80e6
    assert 60e6 < passing < 140e6
    with pytest.raises(ZeroDivisionError):
        timing.peak_memory_bytes(lambda: 1 / 0)
