"""Exercises of the notebooks, each with a checker that gives hints.

A notebook cell tagged `exercise` holds a stub and ends with ``exercises.check("02.1", answer)``. The checker is in
``audiosr_lib/teaching/checkers/chapter_02.py``, a worked solution in ``notebooks/solutions/chapter_02.py``.
A check prints and never raises, so that a chapter runs from top to bottom with unsolved exercises.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

CHECKERS: dict[str, Callable[[Any], None]] = {}


class Hint(Exception):
    """A wrong answer. The message says what is wrong and where to look."""


def checker(exercise_id: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Return a decorator that registers a checker, a function that raises `Hint` if the answer is wrong."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        CHECKERS[exercise_id] = function
        return function

    return register


def expect(condition: bool, hint: str) -> None:
    """Raise `Hint` unless `condition` holds."""
    if not condition:
        raise Hint(hint)


def equals(answer: Any, value: Any, tolerance: float = 1e-6) -> bool:
    """Return whether the answer is numeric, has the shape of `value` and equals it within a relative `tolerance`."""
    try:
        got = np.asarray(answer, dtype=complex)
    except (TypeError, ValueError):
        return False
    return got.shape == np.shape(value) and bool(np.allclose(got, value, rtol=tolerance, atol=1e-12))


def mistake(answer: Any, wrong: Any, hint: str) -> None:
    """Raise `Hint` if the answer equals `wrong`, the result of a typical mistake."""
    expect(not equals(answer, wrong, 1e-5), hint)


def close(answer: Any, wanted: Any, hint: str, tolerance: float = 1e-6) -> None:
    """Raise `Hint` unless the answer differs from `wanted` by at most `tolerance` times the largest value of `wanted`."""
    expect(answer is not None and answer is not Ellipsis, "there is no answer yet: replace the ... by your own code")
    try:
        got = np.asarray(answer, dtype=complex)
    except (TypeError, ValueError):
        raise Hint(f"expected a number or an array, got {type(answer).__name__}") from None
    wanted = np.asarray(wanted)
    expect(got.shape == wanted.shape, f"{hint} (your answer has shape {got.shape}, expected {wanted.shape})")
    scale = max(1e-12, float(np.abs(wanted).max(initial=0.0)))
    expect(bool(np.all(np.abs(got - wanted) <= tolerance * scale)), hint)


def verdict(exercise_id: str, answer: Any) -> str | None:
    """Return the hint for an answer, or None if the answer is right. Raises KeyError for an unknown exercise."""
    importlib.import_module(f"audiosr_lib.teaching.checkers.chapter_{exercise_id[:2]}")
    checker_of_it = CHECKERS[exercise_id]
    try:
        checker_of_it(answer)
    except Hint as hint:
        return str(hint)
    except Exception as error:  # the reader's code may raise anything, and the chapter must still run to its end
        return f"your code raised {type(error).__name__}: {error}"
    return None


def check(exercise_id: str, answer: Any) -> None:
    """Print whether an answer is right, or a hint."""
    hint = verdict(exercise_id, answer)
    print(f"Exercise {exercise_id}: " + ("right." if hint is None else f"not yet - {hint}"))
