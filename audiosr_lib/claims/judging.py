"""The coursework's claims and, for each, a verdict that is computed from the tables and logs of a run.

A claim knows what the source prints and how to judge it. A judge reads numbers from the files of a record, nothing else, and compares;
no verdict is written down anywhere. `verdicts` makes the table of all of them, notebook 11 saves it as tables/claims.csv, and
``tests/test_claims.py`` derives it anew from the record, and checks that each verdict turns when the numbers behind it are changed.

What the five verdicts mean stands in `MEANINGS`. *In our range* means, for Table 2, between the lowest and the highest of the test
speakers' own means: other recordings are other speakers, and a bootstrap interval over our utterances says nothing of them. The interval is
listed beside it. Notebook 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from audiosr_lib.base.constants import METRIC_CLAMP
from audiosr_lib.claims.evidence import Evidence
from audiosr_lib.claims.findings import Finding

REPRODUCED = "reproduced"
OTHER_CONVENTION = "reproduced under another convention"
NOT_REPRODUCED = "not reproduced"
WRONG = "wrong in the source"
NOT_TESTABLE = "not testable here"
MEANINGS = {
    REPRODUCED: "a number in our range, a formula equal to an independent program's, a statement that holds",
    OTHER_CONVENTION: "the same, but only with a convention that the source does not state",
    NOT_REPRODUCED: "a measurement that came out otherwise here",
    WRONG: "as printed it is not right, or text and program contradict each other",
    NOT_TESTABLE: "this run lacks what it takes",
}
VERDICTS = tuple(MEANINGS)

POWER_CLAMP = np.format_float_scientific(METRIC_CLAMP, trim="-", exp_digits=1)  # of every LSD not said to have another
SPEED_FACTOR = 1.5  # the coursework does not name its machine: a speed counts as reproduced within this factor either way


@dataclass(frozen=True)
class Judgement:
    """What a judge found: our value in words, its interval if it has one, under which convention, and what shows it."""

    ours: str
    verdict: str
    convention: str = ""
    low: float = np.nan
    high: float = np.nan
    shown: str = ""  # a file of the record, or a Finding


@dataclass(frozen=True)
class Claim:
    """One claim of the source."""

    id: str
    section: str
    text: str
    printed: str
    judge: Callable[[Evidence], Judgement]
    headline: bool = False  # listed in README.md


Judge = Callable[[Evidence], Judgement]


class ClaimList(list):
    """Claims in the order in which they are declared."""

    def add(self, claim_id: str, section: str, text: str, printed: str, judge: Judge, headline: bool = False) -> None:
        """Append a claim."""
        self.append(Claim(claim_id, section, text, printed, judge, headline))

    def claim(self, claim_id: str, section: str, text: str, printed: str, headline: bool = False) -> Callable[[Judge], Judge]:
        """Return a decorator that appends a claim with the decorated judge."""

        def register(judge: Judge) -> Judge:
            self.add(claim_id, section, text, printed, judge, headline)
            return judge

        return register


def when(holds: bool, otherwise: str) -> str:
    """`REPRODUCED` if it holds, else the other verdict."""
    return REPRODUCED if holds else otherwise


def graded(plain: bool, otherwise_read: bool, last: str = WRONG) -> str:
    """`REPRODUCED` as it stands, `OTHER_CONVENTION` if only another reading holds, else `last`."""
    return REPRODUCED if plain else OTHER_CONVENTION if otherwise_read else last


def fact(name: Finding, right: Callable[[float], bool], *, otherwise: str = WRONG, form: str = "{:g}", convention: str = "") -> Judge:
    """A statement about one finding: reproduced if `right` says so."""

    def judge(e: Evidence) -> Judgement:
        value = e.finding(name)
        return Judgement(form.format(value), when(right(value), otherwise), convention, shown=name)

    return judge


def formula(name: Finding, tolerance: float, convention: str = "") -> Judge:
    """A printed formula against an independent implementation: reproduced if the difference stored as `name` is within `tolerance`."""

    def judge(e: Evidence) -> Judgement:
        difference = e.finding(name)
        return Judgement(f"difference {difference:.1g}", when(difference <= tolerance, WRONG), convention, shown=name)

    return judge


def equal(name: Finding, wanted: float, *, otherwise: str = WRONG, form: str = "{:g}", convention: str = "") -> Judge:
    """A statement that a finding equals a number."""
    return fact(name, lambda v: abs(v - wanted) < 1e-9, otherwise=otherwise, form=form, convention=convention)


def two_readings(
    first: Finding,
    second: Finding,
    plain: Callable[[float, float], bool],
    other: Callable[[float, float], bool],
    words: str,
    convention: str,
    shown: Finding | None = None,
) -> Judge:
    """A claim about two findings: reproduced if `plain` holds of them, under another convention if `other` does, else wrong."""

    def judge(e: Evidence) -> Judgement:
        a, b = e.finding(first), e.finding(second)
        return Judgement(words.format(a, b), graded(plain(a, b), other(a, b)), convention, shown=shown or first)

    return judge


@dataclass(frozen=True)
class Reading:
    """One way of computing a printed number: our mean, its interval, and the range of the speakers' means."""

    convention: str
    value: float
    low: float
    high: float
    least: float
    greatest: float
    file: str


def printed_number(
    printed: float, readings: Sequence[Callable[[Evidence], Reading]], candidate: Callable[[Evidence], Reading] | None = None
) -> Judge:
    """A number of Table 2: the first reading is the convention as stated; the further ones are tried in turn.

    `candidate` is an explanation that was fitted to the number. It never makes the claim reproduced; it is named beside the verdict.
    """

    def judge(e: Evidence) -> Judgement:
        made = [make(e) for make in readings]
        fitting = [r for r in made if r.least <= printed <= r.greatest]
        r = fitting[0] if fitting else min(made, key=lambda r: abs(r.value - printed))
        verdict = graded(made[0] in fitting, bool(fitting), NOT_REPRODUCED)
        convention = r.convention
        if candidate is not None and not fitting:
            c = candidate(e)
            convention += f"; {c.convention}: {c.value:.2f}"
        return Judgement(f"{r.value:.2f}, speakers {r.least:.2f} to {r.greatest:.2f}", verdict, convention, r.low, r.high, r.file)

    return judge


def table2(measure: str, system: str, convention: str) -> Callable[[Evidence], Reading]:
    """The reading of notebook 10: Table 2, and the means by speaker behind it."""

    def make(e: Evidence) -> Reading:
        mean, low, high = (e.number("table-2.csv", c, measure=measure, system=system) for c in ("mean", "low", "high"))
        speakers = e.numbers("data-per-speaker.csv", measure, system=system)
        return Reading(convention, mean, low, high, speakers.min(), speakers.max(), "table-2.csv")

    return make


def lsd_with_clamp(system: str, clamp: float) -> Callable[[Evidence], Reading]:
    """LSD with the natural logarithm and another clamp, from notebook 11."""

    def make(e: Evidence) -> Reading:
        file, where = "data-lsd-conventions.csv", {"system": system, "clamp": clamp}
        mean, low, high, least, greatest = (e.number(file, c, **where) for c in ("lsd_ln", "low", "high", "least", "greatest"))
        return Reading(f"natural logarithm, power clamped at {clamp:g}", mean, low, high, least, greatest, file)

    return make


def snr_hypothesis(name: str, system: str, convention: str) -> Callable[[Evidence], Reading]:
    """A hypothesis of notebook 11 about the printed SNR, at its best parameter."""

    def make(e: Evidence) -> Reading:
        file = "data-snr-hypotheses.csv"
        value, least, greatest = (e.number(file, f"{c}_{system}", name=name) for c in ("predicted", "least", "greatest"))
        return Reading(convention, value, np.nan, np.nan, least, greatest, file)

    return make


def paired(
    measure: str,
    system: str,
    against: str,
    sign: int,
    *,
    file: str = "data-paired-differences.csv",
    unit: str = "",
    convention: str = "paired difference",
    **where: str,
) -> Judge:
    """`system` better than `against`: the interval of the paired difference lies wholly on the side of `sign`."""

    def judge(e: Evidence) -> Judgement:
        mean, low, high = (e.number(file, c, measure=measure, system=system, against=against, **where) for c in ("mean", "low", "high"))
        holds = low > 0 if sign > 0 else high < 0
        decided = "" if low > 0 or high < 0 else ", not decided"
        words = f"{convention}, interval over utterances" + (f", powers clamped at {POWER_CLAMP}" if measure.startswith("lsd") else "")
        return Judgement(f"{mean:+.2f}{unit}{decided}", when(holds, NOT_REPRODUCED), words, low, high, file)

    return judge


def speed(method: str, printed: float) -> Judge:
    """A real-time ratio of Table 3, on a machine that the source does not name. Today's resampy decides; its filter of 2021 is told."""

    def judge(e: Evidence) -> Judgement:
        ratio, slowest = (e.number("table-3.csv", c, method=method) for c in ("real_time_ratio", "slowest_round"))
        holds = printed / SPEED_FACTOR <= ratio <= printed * SPEED_FACTOR
        words = f"within a factor of {SPEED_FACTOR}; slowest round {slowest:.1f}"
        if method.startswith("kaiser"):
            words += f"; with the filter of 2021 {e.number('table-3-fair.csv', 'real_time_ratio', method=f'resampy, {method} of 2021'):.1f}"
        return Judgement(f"{ratio:.1f}", when(holds, NOT_REPRODUCED), words, shown="table-3.csv")

    return judge


def speed_quotient(above: str, below: str, printed: float) -> Judge:
    """How many times as fast one method is as another: free of the machine, if both ran on it."""

    def judge(e: Evidence) -> Judgement:
        ratio = e.number("table-3.csv", "real_time_ratio", method=above) / e.number("table-3.csv", "real_time_ratio", method=below)
        holds = printed / SPEED_FACTOR <= ratio <= printed * SPEED_FACTOR
        return Judgement(f"{ratio:.2f}", when(holds, NOT_REPRODUCED), f"within a factor of {SPEED_FACTOR}", shown="table-3.csv")

    return judge


def turns_up(values: np.ndarray, tolerance: float = 0.02) -> bool:
    """Whether a curve, raw and smoothed, ends more than `tolerance` above its minimum. Notebook 09 has the same question."""
    smooth = pd.Series(values).ewm(alpha=0.5).mean().to_numpy()
    return all(curve[-1] > (1 + tolerance) * curve.min() for curve in (np.asarray(values, float), smooth))


# --- the table --------------------------------------------------------------------------------------


def verdicts(claims: Iterable[Claim], folders: Path | Sequence[Path], changed: dict | None = None) -> pd.DataFrame:
    """The table of claims, derived from the files of a record.

    Parameters
    ----------
    claims : `audiosr_lib.claims.CLAIMS`. folders, changed : as for `Evidence`.

    Returns
    -------
    One row a claim: id, section, claim, coursework, ours, low, high, convention, verdict, cell.

    Raises
    ------
    NotPrepared : a table is missing. KeyError : it lacks a row.
    """
    evidence = Evidence(folders, changed)
    rows = []
    for claim in claims:
        j = claim.judge(evidence)
        if j.verdict not in VERDICTS:
            raise ValueError(f"claim {claim.id}: {j.verdict!r} is no verdict")
        cell = evidence.cell_of_finding(j.shown) if isinstance(j.shown, Finding) else evidence.cell(j.shown)
        rows.append({"id": claim.id, "section": claim.section, "claim": claim.text, "coursework": claim.printed, "ours": j.ours,
                     "low": j.low, "high": j.high, "convention": j.convention, "verdict": j.verdict, "cell": cell})  # fmt: skip
    return pd.DataFrame(rows)
