"""Checkers of chapter 09, validation curves."""

from __future__ import annotations

import numpy as np

from audiosr_lib.teaching.exercises import checker, close


@checker("09.1")
def batch_norm_in_evaluation(answer) -> None:
    rng = np.random.default_rng(9)
    z = 3.0 + rng.standard_normal((4, 50))
    mean, variance, gamma, beta = rng.standard_normal(4), rng.uniform(0.5, 2.0, 4), rng.standard_normal(4), rng.standard_normal(4)
    for eps in (1e-5, 0.3):
        wanted = gamma[:, None] * (z - mean[:, None]) / np.sqrt(variance[:, None] + eps) + beta[:, None]
        close(
            answer(z, mean, variance, gamma, beta, eps),
            wanted,
            "subtract each channel's running mean, divide by the root of its running variance plus eps, times gamma, plus beta",
        )


@checker("09.2")
def memory_of_the_start(answer) -> None:
    close(answer(0.85), 2, "after one batch 0.9 of the start is left, after two 0.81: the first below 0.85 is 2")
    for share in (0.5, 0.1, 0.01):
        wanted = next(n for n in range(1000) if 0.9**n < share)
        close(
            answer(share), wanted, "count up until 0.9**n is below the share for the first time, or solve it with a logarithm and round up"
        )


@checker("09.3")
def early_stopping_with_a_gain(answer) -> None:
    cases = (
        (
            [3.0, 2.0, 2.5, 1.0, 2.0, 2.0, 0.5],
            2,
            0.0,
            (5, 3),
            "with gain 0 the 1.0 is the best, and two values without a new minimum follow it",
        ),
        ([5.0, 4.0, 3.0, 2.0], 1, 0.0, (3, 3), "patience never runs out: stop at the last index"),
        ([1.0, 0.95, 0.9, 0.85, 0.8], 3, 0.12, (4, 3), "small gains add up: compare with the best value so far, not with the value before"),
        ([1.0, 0.99, 0.98, 0.97], 2, 0.1, (2, 0), "a gain that is too small does not count as a new minimum"),
    )
    for values, patience, gain, wanted, hint in cases:
        got = answer(np.array(values), patience, gain)
        close(got, wanted, f"{hint} (values {values}, patience {patience}, gain {gain}: want {wanted}, got {got})")
