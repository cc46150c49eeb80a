"""Exercises with a checker that hints.

A notebook's cell tagged `exercise` holds a stub and ends with ``exercises.check("02.1", answer)``. The checker lies in
``audiosr_lib/checkers/chapter_02.py``, a worked solution in ``notebooks/solutions/chapter_02.py``, not to be seen at first sight.
A check never raises: a chapter runs top to bottom with its exercises undone.
The tests run both: every stub must fail its checker, every solution must pass.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

CHECKERS: dict[str, Callable[[Any], None]] = {}


class Hint(Exception):
    """Raised by a checker: what is wrong and where to look."""


def checker(exercise_id: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Register a checker: a function of the answer that raises `Hint` if it is wrong."""

    def register(function: Callable[[Any], None]) -> Callable[[Any], None]:
        CHECKERS[exercise_id] = function
        return function

    return register


def expect(condition: bool, hint: str) -> None:
    """Raise `Hint` unless `condition` holds."""
    if not condition:
        raise Hint(hint)


def equals(answer: Any, value: Any, tolerance: float = 1e-6) -> bool:
    """Whether an answer is a number or array equal to `value`, within a relative `tolerance`; False for anything else."""
    try:
        got = np.asarray(answer, dtype=complex)
    except (TypeError, ValueError):
        return False
    return got.shape == np.shape(value) and bool(np.allclose(got, value, rtol=tolerance, atol=1e-12))


def mistake(answer: Any, wrong: Any, hint: str) -> None:
    """Raise `Hint` if the answer is what a typical mistake gives."""
    expect(not equals(answer, wrong, 1e-5), hint)


def close(answer: Any, wanted: Any, hint: str, tolerance: float = 1e-6) -> None:
    """Raise `Hint` unless the answer is a number or array within `tolerance` of what is wanted, relative to its largest value."""
    expect(answer is not None and answer is not Ellipsis, "there is no answer yet: replace the ... by your own code")
    try:
        got = np.asarray(answer, dtype=complex)
    except (TypeError, ValueError):
        raise Hint(f"want a number or an array, got {type(answer).__name__}") from None
    wanted = np.asarray(wanted)
    expect(got.shape == wanted.shape, f"{hint} (your answer has shape {got.shape}, wanted is {wanted.shape})")
    scale = max(1e-12, float(np.abs(wanted).max(initial=0.0)))
    expect(bool(np.all(np.abs(got - wanted) <= tolerance * scale)), hint)


def verdict(exercise_id: str, answer: Any) -> str | None:
    """The hint for an answer, or None if it is right. KeyError for an exercise that does not exist."""
    importlib.import_module(f"audiosr_lib.teaching.checkers.chapter_{exercise_id[:2]}")
    try:
        CHECKERS[exercise_id](answer)
    except Hint as hint:
        return str(hint)
    except Exception as error:  # the reader's code may do anything; a chapter must still run through
        return f"your code raised {type(error).__name__}: {error}"
    return None


def check(exercise_id: str, answer: Any) -> None:
    """Print whether an answer is right, or a hint."""
    hint = verdict(exercise_id, answer)
    print(f"Exercise {exercise_id}: " + ("right." if hint is None else f"not yet - {hint}"))
