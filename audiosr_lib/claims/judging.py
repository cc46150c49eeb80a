"""Verdicts on the claims of the coursework, and judges that serve many claims. Notebook 11.

A *record* is the folder of files that a run leaves. A *judge* is a function that takes the `Evidence` of a record, reads numbers from it,
compares them with the claim, and returns a `Judgement` with the verdict. No verdict is stored in the code:
``tests/test_judging.py`` derives all of them again and checks that each one changes with the numbers behind it. For Table 2, *in our range*
means between the lowest and the highest mean of a test speaker. Other recordings have other speakers, and the bootstrap interval over our
utterances, listed beside it, does not cover them.
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

PAIRED = "data-paired-differences.csv"
POWER_CLAMP = np.format_float_scientific(METRIC_CLAMP, trim="-", exp_digits=1)  # the default clamp of LSD
SPEED_FACTOR = 1.5  # a speed is reproduced within this factor, up or down, because the coursework does not name its machine
NEAR = f"within a factor of {SPEED_FACTOR}"


@dataclass(frozen=True)
class Judgement:
    """The result of a judge."""

    ours: str  # our value in words
    verdict: str
    convention: str = ""
    low: float = np.nan  # interval of our value, if it has one
    high: float = np.nan
    shown: str = ""  # the file or the Finding that shows it


Judge = Callable[[Evidence], Judgement]


@dataclass(frozen=True)
class Claim:
    """One claim of the coursework."""

    id: str
    section: str
    text: str
    printed: str
    judge: Judge
    headline: bool = False  # listed in README.md


class ClaimList(list):
    """A list of claims in the order of their declaration."""

    def add(self, claim_id: str, section: str, text: str, printed: str, judge: Judge, headline: bool = False) -> None:
        """Append a claim."""
        self.append(Claim(claim_id, section, text, printed, judge, headline))

    def claim(self, claim_id: str, section: str, text: str, printed: str, headline: bool = False) -> Callable[[Judge], Judge]:
        """Return a decorator that appends a claim with the decorated function as its judge."""

        def register(judge: Judge) -> Judge:
            self.add(claim_id, section, text, printed, judge, headline)
            return judge

        return register


def when(holds: bool, otherwise: str) -> str:
    """Return `REPRODUCED` if the claim holds, else the other verdict."""
    return REPRODUCED if holds else otherwise


def graded(plain: bool, otherwise_read: bool, last: str = WRONG) -> str:
    """Return `REPRODUCED` if the plain reading holds, `OTHER_CONVENTION` if only another reading holds, else `last`."""
    return REPRODUCED if plain else OTHER_CONVENTION if otherwise_read else last


def is_near(ratio: float, printed: float) -> bool:
    """Return whether a speed, or a quotient of speeds, is within `SPEED_FACTOR` of the printed one."""
    return printed / SPEED_FACTOR <= ratio <= printed * SPEED_FACTOR


def fact(name: Finding, right: Callable[[float], bool], *, otherwise: str = WRONG, form: str = "{:g}", convention: str = "") -> Judge:
    """Return a judge of one finding: the verdict is reproduced if `right(value)`, else `otherwise`. `form` formats the value."""

    def judge(e: Evidence) -> Judgement:
        value = e.finding(name)
        return Judgement(form.format(value), when(right(value), otherwise), convention, shown=name)

    return judge


def formula(name: Finding, tolerance: float, convention: str = "") -> Judge:
    """Return a judge of a printed formula: reproduced if the finding, its difference from other code, is within `tolerance`."""
    return fact(name, lambda difference: difference <= tolerance, form="difference {:.1g}", convention=convention)


def equal(name: Finding, wanted: float, *, otherwise: str = WRONG, form: str = "{:g}", convention: str = "") -> Judge:
    """Return a judge of one finding: reproduced if it equals `wanted`."""
    return fact(name, lambda v: abs(v - wanted) < 1e-9, otherwise=otherwise, form=form, convention=convention)


@dataclass(frozen=True)
class Reading:
    """A value for a printed number, computed under one convention."""

    convention: str
    value: float  # mean over utterances
    low: float  # its interval
    high: float
    least: float  # range of the means of the speakers
    greatest: float
    file: str


def printed_number(
    printed: float, readings: Sequence[Callable[[Evidence], Reading]], candidate: Callable[[Evidence], Reading] | None = None
) -> Judge:
    """Return a judge of a number of Table 2.

    Parameters
    ----------
    printed : the number.
    readings : the stated convention first, then others. The first one whose range of speakers holds the number decides.
    candidate : an explanation fitted to the number. It is named beside the verdict and never makes the claim reproduced.
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
    """Return a function from `Evidence` to a `Reading`: the value in Table 2, its interval, and the range of the speakers' means."""

    def make(e: Evidence) -> Reading:
        mean, low, high = (e.number("table-2.csv", c, measure=measure, system=system) for c in ("mean", "low", "high"))
        speakers = e.numbers("data-per-speaker.csv", measure, system=system)
        return Reading(convention, mean, low, high, speakers.min(), speakers.max(), "table-2.csv")

    return make


def lsd_with_clamp(system: str, clamp: float) -> Callable[[Evidence], Reading]:
    """Return a function from `Evidence` to a `Reading`: the LSD of notebook 11 with the natural logarithm and another clamp."""

    def make(e: Evidence) -> Reading:
        file, where = "data-lsd-conventions.csv", {"system": system, "clamp": clamp}
        mean, low, high, least, greatest = (e.number(file, c, **where) for c in ("lsd_ln", "low", "high", "least", "greatest"))
        return Reading(f"natural logarithm, power clamped at {clamp:g}", mean, low, high, least, greatest, file)

    return make


def snr_hypothesis(name: str, system: str, convention: str) -> Callable[[Evidence], Reading]:
    """Return a function from `Evidence` to a `Reading`: the SNR that a hypothesis of notebook 11 predicts at its best parameter."""

    def make(e: Evidence) -> Reading:
        file = "data-snr-hypotheses.csv"
        value, least, greatest = (e.number(file, f"{c}_{system}", name=name) for c in ("predicted", "least", "greatest"))
        return Reading(convention, value, np.nan, np.nan, least, greatest, file)

    return make


def paired(measure: str, system: str, against: str, sign: int, *, file: str = PAIRED, unit: str = "", **where: str) -> Judge:
    """Return a judge of a comparison: reproduced if the interval of the paired difference lies wholly on the side of `sign`.

    Parameters
    ----------
    measure : one of the measures in `file`.
    system : the system that the source calls better.
    against : the other system.
    sign : +1 if higher values of the measure are better, -1 if lower ones are.
    file : table of paired differences.
    unit : printed after the difference.
    where : column=value pairs that select the row further.
    """

    def judge(e: Evidence) -> Judgement:
        row = {"measure": measure, "system": system, "against": against, **where}
        mean, low, high, *speakers = (e.number(file, c, **row) for c in ("mean", "low", "high", "low_speakers", "high_speakers"))
        holds = low > 0 if sign > 0 else high < 0
        decided = "" if low > 0 or high < 0 else ", not decided"
        words = f"{'the trained U-Net, ' * (system == 'unet')}paired difference, interval over utterances" + (
            f", powers clamped at {POWER_CLAMP}" if measure.startswith("lsd") else ""
        )
        if np.isfinite(speakers).all():
            words += f"; over speakers {speakers[0]:+.2f} to {speakers[1]:+.2f}"
        return Judgement(f"{mean:+.2f}{unit}{decided}", when(holds, NOT_REPRODUCED), words, low, high, file)

    return judge


def speed(method: str, printed: float) -> Judge:
    """Return a judge of a real-time ratio of Table 3. Today's resampy decides; the ratio with its filter of 2021 is named beside it."""

    def judge(e: Evidence) -> Judgement:
        ratio, slowest = (e.number("table-3.csv", c, method=method) for c in ("real_time_ratio", "slowest_round"))
        words = f"{NEAR}; slowest round {slowest:.1f}"
        if method.startswith("kaiser"):
            words += f"; with the filter of 2021 {e.number('table-3-fair.csv', 'real_time_ratio', method=f'resampy, {method} of 2021'):.1f}"
        return Judgement(f"{ratio:.1f}", when(is_near(ratio, printed), NOT_REPRODUCED), words, shown="table-3.csv")

    return judge


def speed_quotient(above: str, below: str, printed: float) -> Judge:
    """Return a judge of how many times as fast one method is as another. The quotient depends less on the machine than a speed."""

    def judge(e: Evidence) -> Judgement:
        ratio = e.number("table-3.csv", "real_time_ratio", method=above) / e.number("table-3.csv", "real_time_ratio", method=below)
        return Judgement(f"{ratio:.2f}", when(is_near(ratio, printed), NOT_REPRODUCED), NEAR, shown="table-3.csv")

    return judge


def turns_up(values: np.ndarray, tolerance: float = 0.02) -> bool:
    """Return whether a curve, both raw and smoothed, ends more than the fraction `tolerance` above its minimum. Notebook 09."""
    smooth = pd.Series(values).ewm(alpha=0.5).mean().to_numpy()
    return all(curve[-1] > (1 + tolerance) * curve.min() for curve in (np.asarray(values, float), smooth))


def past_best(losses: np.ndarray) -> bool:
    """Return whether the lowest loss came a fifth of the validations before the last one, or 20, the patience of the profile coursework."""
    since = len(losses) - 1 - int(np.argmin(losses))
    return since >= min(len(losses) / 5, 20)


def levelled_off(losses: np.ndarray, tolerance: float = 0.02) -> bool:
    """Return whether the last fifth of at least five losses has no loss lower than all before it by more than the fraction `tolerance`."""
    late = -(-len(losses) // 5)
    return len(losses) >= 5 and losses.min() >= (1 - tolerance) * losses[:-late].min()


def verdicts(claims: Iterable[Claim], folders: Path | Sequence[Path], changed: dict | None = None) -> pd.DataFrame:
    """Return the table of claims with their verdicts, derived from the files of a record.

    Parameters
    ----------
    claims : for instance `audiosr_lib.claims.CLAIMS`.
    folders : as for `Evidence`.
    changed : as for `Evidence`.

    Returns
    -------
    One row per claim: id, section, claim, coursework, ours, low, high, convention, verdict, cell.

    Raises
    ------
    NotPrepared : a table is missing.
    KeyError : a table lacks a row.
    ValueError : a judge returned an unknown verdict.
    """
    evidence = Evidence(folders, changed)
    rows = []
    for claim in claims:
        j = claim.judge(evidence)
        if j.verdict not in VERDICTS:
            raise ValueError(f"claim {claim.id} has the unknown verdict {j.verdict!r}: use one of {', '.join(VERDICTS)}")
        cell = evidence.cell_of_finding(j.shown) if isinstance(j.shown, Finding) else evidence.cell(j.shown)
        rows.append({"id": claim.id, "section": claim.section, "claim": claim.text, "coursework": claim.printed, "ours": j.ours,
                     "low": j.low, "high": j.high, "convention": j.convention, "verdict": j.verdict, "cell": cell})  # fmt: skip
    return pd.DataFrame(rows)
