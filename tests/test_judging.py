"""Every verdict is derived from a record's tables: again, here, and it turns when the numbers behind it are changed."""

import json
import re

import helpers
import numpy as np
import pandas as pd
import pytest

from audiosr_lib.base import files
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.claims import CLAIMS, FOR_INFORMATION, Evidence, Finding, Findings, evidence, judging, results, theory
from audiosr_lib.claims.judging import (
    NOT_REPRODUCED,
    NOT_TESTABLE,
    OTHER_CONVENTION,
    REPRODUCED,
    WRONG,
    Claim,
    Judgement,
    Reading,
)

record = pytest.mark.parametrize("folder", helpers.committed_records(), ids=lambda f: f.name)
own_record = pytest.mark.parametrize("folder", helpers.own_records(), ids=lambda f: f.name)


def listed(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "tables" / "claims.csv", keep_default_na=False, dtype=str)


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """A table as it comes back from CSV."""
    from io import StringIO

    return pd.read_csv(StringIO(frame.to_csv(index=False)), keep_default_na=False, dtype=str)


# --- the registry ---


def test_at_least_forty_claims_of_every_part_of_the_source():
    ids = [c.id for c in CLAIMS]
    assert len(ids) == len(set(ids)) >= 40
    sections = {c.section for c in CLAIMS}
    assert {
        "1.1",
        "1.2",
        "1.8",
        "1.9",
        "1.10",
        "1.12",
        "1.14",
        "2.2",
        "2.3",
        "2.4",
        "2.5",
        "2.6",
        "2.7",
        "Conclusion",
        "Appendix A",
    } <= sections
    assert all(c.text and c.printed for c in CLAIMS)


# --- the records in the repository ---


@record
def test_every_verdict_comes_out_again(folder):
    """Fails if any number of the record's tables, or any judge, was changed so that a verdict or a value turns."""
    again = as_text(judging.verdicts(CLAIMS, folder))
    was = listed(folder)
    for column in was:
        assert again[column].tolist() == was[column].tolist(), column


@record
def test_the_claims_name_cells_that_exist(folder):
    for cell in set(listed(folder)["cell"]):
        name, number = re.fullmatch(r"(\w+) \[(\d+)\]", cell).groups()
        notebook = json.loads((folder / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
        assert int(number) in [c.get("execution_count") for c in notebook["cells"]], cell


def perturbed(reads: dict, printed: str) -> list[dict]:
    """Ways to change the numbers that a judge has read: one by one, and all at once."""
    shifts = [lambda v: -v, lambda v: v + 1, lambda v: v + 100] + [lambda v, f=f: v * f for f in (1e-3, 0.1, 0.2, 0.4, 2.5, 5, 10, 25, 1e4)]
    values = [0.0, 1.0, 3.0, *(float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*\.?\d*", printed))]
    changes = shifts + [lambda v, n=n: n for n in values]
    ways = []
    for change in changes:
        ways.append({k: change(v) for k, v in reads.items()})
        ways += [{k: change(v)} for k, v in list(reads.items())[:60]]
    keys = list(reads)
    ways.append(dict(zip(keys, sorted(reads.values()), strict=True)))  # curves that only rise
    ways.append(dict(zip(keys, sorted(reads.values(), reverse=True), strict=True)))
    return ways


@record
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers that make no sense are divided by each other
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.id)
def test_no_verdict_is_written_down(folder, claim):
    """Some change of the numbers that the judge reads must turn the verdict."""
    evidence = Evidence(folder)
    before = claim.judge(evidence).verdict
    assert evidence.reads, "the judge reads nothing"
    verdicts = set()
    for changed in perturbed(evidence.reads, claim.printed):
        try:
            verdicts.add(claim.judge(Evidence(folder, changed)).verdict)
        except (ZeroDivisionError, KeyError):  # a quotient that makes no sense, or a changed has_... asks for what this run does not hold
            continue
    assert verdicts - {before}


@own_record
def test_verdicts_can_be_derived_from_a_users_own_record(folder):
    """Whatever it was run on; its numbers are its own."""
    assert judging.verdicts(CLAIMS, folder)["id"].tolist() == [c.id for c in CLAIMS]


@record
def test_a_number_of_a_table_is_flipped_in_a_copy(folder, tmp_path):
    """On the files themselves: Table 2's SNR interval of the U-Net, turned over, makes the verdicts differ from the listed ones."""
    for file in [*folder.glob("*.csv"), folder / "manifest.json"]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert as_text(judging.verdicts(CLAIMS, tmp_path))["verdict"].tolist() == listed(folder)["verdict"].tolist()
    table = pd.read_csv(tmp_path / "data-paired-differences.csv")
    row = (table.measure == "snr_db") & (table.system == "unet") & (table.against == "kaiser_best")
    assert row.sum() == 1
    table.loc[row, ["mean", "low", "high"]] = -table.loc[row, ["mean", "high", "low"]].to_numpy()
    table.to_csv(tmp_path / "data-paired-differences.csv", index=False)
    turned = as_text(judging.verdicts(CLAIMS, tmp_path))
    differs = turned["verdict"] != listed(folder)["verdict"]
    assert {"unet-snr", "large-margin"} <= set(turned["id"][differs])


# --- findings ---


def read_by_judges(folder) -> set[str]:
    e = Evidence(folder)
    for claim in CLAIMS:
        claim.judge(e)
    rows = {row for file, _, row in e.reads if file == evidence.FINDINGS}
    return set(e.frame(evidence.FINDINGS).name.iloc[sorted(rows)])


@record
def test_every_finding_is_judged_or_said_to_be_for_information(folder):
    everything = {str(f) for f in Finding}
    assert set(Evidence(folder).frame(evidence.FINDINGS).name) == everything
    asked_later = {"recorded_rate"}  # only if the run has VCTK
    assert read_by_judges(folder) | asked_later == everything - {str(f) for f in FOR_INFORMATION}


# --- judges, on made-up evidence ---

GOOD, BAD, ONE = Finding.stft_error, Finding.hann_error, Finding.bins_of_2048  # any three


@pytest.fixture
def folder(tmp_path):
    """A small record: one table, one log, findings."""
    pd.DataFrame({
        "measure": ["lsd", "snr"], "system": ["unet"] * 2, "against": ["kaiser_best"] * 2,
        "mean": [-1.0, -3.0], "low": [-1.5, -4.0], "high": [-0.5, 1.0],
        "low_speakers": [-1.25, float("nan")], "high_speakers": [0.5, float("nan")],
    }).to_csv(tmp_path / "data-paired-differences.csv", index=False)  # fmt: skip
    pd.DataFrame({"method": ["kaiser_fast", "kaiser_best"], "real_time_ratio": [150.0, 50.0], "slowest_round": [140.0, 49.0]}).to_csv(
        tmp_path / "table-3.csv", index=False
    )
    old = {"method": ["resampy, kaiser_fast of 2021", "resampy, kaiser_best of 2021"], "real_time_ratio": [260.0, 40.0]}
    pd.DataFrame(old).to_csv(tmp_path / "table-3-fair.csv", index=False)
    findings = Findings("11_test")
    for name, value in ((GOOD, 1e-9), (BAD, 0.5), (Finding.has_vctk, 0), (ONE, 1)):
        findings.add(name, value)
    findings.frame().to_csv(tmp_path / evidence.FINDINGS, index=False)
    files.write_json(tmp_path / "manifest.json", {"artifacts": [{"notebook": "10_x", "cell": 7, "files": ["table-3.csv"]}]})
    return tmp_path


def verdict(judge, folder, **more):
    return judge(Evidence(folder, **more)).verdict


def test_paired(folder):
    better = judging.paired("lsd", "unet", "kaiser_best", -1)
    assert better(Evidence(folder)).convention.endswith("over utterances, powers clamped at 1e-8; over speakers -1.25 to +0.50")
    assert verdict(better, folder) == REPRODUCED
    assert verdict(judging.paired("lsd", "unet", "kaiser_best", +1), folder) == NOT_REPRODUCED
    undecided = judging.paired("snr", "unet", "kaiser_best", -1)(Evidence(folder))
    assert undecided.verdict == NOT_REPRODUCED and "not decided" in undecided.ours and "speakers" not in undecided.convention
    with pytest.raises(KeyError, match="no row"):
        verdict(judging.paired("lsd", "unet", "nobody", -1), folder)


def test_formula(folder):
    assert verdict(judging.formula(GOOD, 1e-6), folder) == REPRODUCED
    assert verdict(judging.formula(BAD, 1e-6), folder) == WRONG


def test_graded():
    assert judging.graded(True, False) == judging.graded(True, True) == REPRODUCED
    assert judging.graded(False, True) == OTHER_CONVENTION
    assert judging.graded(False, False) == WRONG and judging.graded(False, False, NOT_REPRODUCED) == NOT_REPRODUCED


def test_fact_and_needs(folder):
    assert verdict(judging.fact(ONE, lambda v: v == 1), folder) == REPRODUCED
    assert verdict(judging.fact(ONE, lambda v: v == 2), folder) == WRONG
    assert verdict(judging.fact(ONE, lambda v: v == 2, otherwise=NOT_REPRODUCED), folder) == NOT_REPRODUCED
    assert verdict(theory.vctk_rate, folder) == NOT_TESTABLE


def test_speeds(folder):
    assert verdict(judging.speed("kaiser_fast", 170.0), folder) == REPRODUCED
    assert verdict(judging.speed("kaiser_best", 22.8), folder) == NOT_REPRODUCED
    told = judging.speed("kaiser_fast", 170.0)(Evidence(folder))
    assert "slowest round 140.0" in told.convention and "filter of 2021 260.0" in told.convention and np.isnan(told.low)
    assert verdict(judging.speed_quotient("kaiser_fast", "kaiser_best", 3.1), folder) == REPRODUCED
    assert verdict(judging.speed_quotient("kaiser_fast", "kaiser_best", 7.46), folder) == NOT_REPRODUCED


def test_printed_numbers_try_conventions_in_turn(folder):
    def reading(name, least, greatest):
        return lambda e: Reading(name, (least + greatest) / 2, least, greatest, least, greatest, "table-3.csv")

    first, second = reading("as stated", 7.0, 8.0), reading("another clamp", 5.5, 6.5)
    assert verdict(judging.printed_number(7.2, [first, second]), folder) == REPRODUCED
    judged = judging.printed_number(6.27, [first, second])(Evidence(folder))
    assert judged.verdict == OTHER_CONVENTION and judged.convention == "another clamp"
    for printed, nearest in ((3.0, "another clamp"), (9.0, "as stated")):  # none fits: the nearest is shown
        judged = judging.printed_number(printed, [first, second])(Evidence(folder))
        assert judged.verdict == NOT_REPRODUCED and judged.convention == nearest


def test_a_fitted_candidate_never_reproduces(folder):
    first = Reading("as defined", 28.0, 25.0, 30.0, 18.0, 35.0, "table-3.csv")
    candidate = Reading("candidate", 6.0, np.nan, np.nan, 4.0, 7.0, "table-3.csv")
    judged = judging.printed_number(6.09, [lambda e: first], lambda e: candidate)(Evidence(folder))
    assert judged.verdict == NOT_REPRODUCED
    assert judged.convention == "as defined; candidate: 6.00" and judged.ours.startswith("28.00")


def test_curves_that_turn_up():
    assert judging.turns_up(np.array([3.0, 2.0, 1.0, 1.2, 1.3, 1.4]))
    assert not judging.turns_up(np.array([3.0, 2.0, 1.0, 1.0, 1.01]))
    assert not judging.turns_up(np.array([3.0, 2.0, 1.5, 1.2, 1.0, 1.1]))  # one bump at the end: the smoothed curve still falls


def test_the_lowest_loss_has_passed():
    assert judging.past_best(np.array([3.0, 2.0, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]))
    assert judging.past_best(np.r_[3.0, 1.0, np.full(2, 1.1)]) and not judging.past_best(np.array([3.0, 2.0, 1.5, 1.2, 1.1, 1.0]))
    assert not judging.past_best(np.r_[np.linspace(3, 1, 9), 1.1])  # a tenth
    many = np.linspace(3, 1, 180)
    assert judging.past_best(np.r_[many, np.full(20, 1.1)]) and not judging.past_best(np.r_[many, np.full(19, 1.1)])


def test_curves_that_level_off():
    assert judging.levelled_off(np.r_[np.linspace(3, 1, 8), 0.99, 0.985])
    assert not judging.levelled_off(np.r_[np.linspace(3, 1, 8), 0.99, 0.97])
    assert not judging.levelled_off(np.array([1.0, 1.0, 1.0, 1.0]))  # too few


def long_log(folder, loss, convergence):
    """Evidence with the log of a long training; validations 250 steps apart, and the one at step 0 before them."""
    frame = pd.DataFrame({"loss": [9.0, *loss], "spectral_convergence": [0.001, *convergence]})
    frame.insert(0, "step", 250 * np.arange(len(frame)))
    frame.to_csv(folder / results.LONG_LOG, index=False)
    return Evidence(folder)


FALLING, RISING_AT_THE_END = np.geomspace(2.0, 1.0, 20), np.r_[np.geomspace(2.0, 1.0, 10), np.geomspace(1.0, 1.3, 10)]
FLAT_AT_THE_END = np.r_[np.geomspace(2.0, 1.0, 10), np.full(10, 1.005)]


@pytest.mark.parametrize(("loss", "convergence", "wanted", "words"), [
    (FALLING, RISING_AT_THE_END, REPRODUCED, "by 2 %"),
    (RISING_AT_THE_END, FALLING, NOT_REPRODUCED, "lowest at step 2,500: trained past it"),
    (RISING_AT_THE_END, FLAT_AT_THE_END, NOT_REPRODUCED, "lowest at step 2,500: trained past it"),
    (FALLING, FLAT_AT_THE_END, NOT_TESTABLE, "lowest at step 5,000: not trained past it"),
])  # fmt: skip
def test_spectral_convergence_is_judged_by_the_long_training(tmp_path, loss, convergence, wanted, words):
    judged = results.curves_turn_up(long_log(tmp_path, loss, convergence))
    assert judged.verdict == wanted and words in judged.convention
    assert judged.ours.startswith(f"lowest {min(convergence):.4f} at step ") and judged.ours.endswith(" at step 5,000")


@pytest.mark.parametrize(("loss", "wanted", "words"), [
    (RISING_AT_THE_END, REPRODUCED, "lowest total loss 1.000 at step 2,500 of 5,000"),
    (FLAT_AT_THE_END, REPRODUCED, "lowest total loss 1.000 at step 2,500 of 5,000"),
    (np.r_[np.geomspace(2.0, 1.0, 15), np.linspace(1.0, 0.99, 5)], NOT_REPRODUCED, "lowest total loss 0.990 at step 5,000 of 5,000"),
    (FALLING, NOT_TESTABLE, "lowest total loss 1.000 at step 5,000 of 5,000"),
])  # fmt: skip
def test_when_to_stop_is_judged_by_the_long_training(tmp_path, loss, wanted, words):
    judged = results.stops_by_validation(long_log(tmp_path, loss, FALLING))
    assert (judged.verdict, judged.ours) == (wanted, words)


def test_recordings_of_an_origin_that_was_trained_on_do_not_count_as_other(folder):
    """The trained U-Net may have heard other speakers of a test set."""
    findings = Findings("11_test")
    findings.add(Finding.has_unseen_corpora, 1)
    findings.frame().to_csv(folder / evidence.FINDINGS, index=False)
    rows = [("own", 0, 3.0), ("trained-on", 1, 2.0), ("other", 0, -1.0), ("another", 0, -2.0)]
    frame = pd.DataFrame(rows, columns=["corpus", "heard", "high"]).assign(measure="lsd", system="unet", against="kaiser_best")
    frame.to_csv(folder / results.FAIR, index=False)
    judged = results.other_corpora(Evidence(folder))
    assert (judged.verdict, judged.ours) == (REPRODUCED, "other: at most -1.00, another: at most -2.00")
    frame.assign(high=[3.0, -2.0, 1.0, -2.0]).to_csv(folder / results.FAIR, index=False)
    assert verdict(results.other_corpora, folder) == NOT_REPRODUCED


def test_the_table_tells_where_it_is_shown(folder):
    table = judging.verdicts(
        [
            Claim("a", "2.7", "speed", "170", judging.speed("kaiser_fast", 170.0)),
            Claim("b", "1.1", "one", "1", judging.fact(ONE, lambda v: v == 1)),
        ],
        folder,
    )
    assert table["cell"].tolist() == ["10_x [7]", "11_test [0]"]
    assert table["verdict"].tolist() == [REPRODUCED, REPRODUCED]
    with pytest.raises(ValueError, match="unknown verdict"):
        judging.verdicts([Claim("c", "1", "t", "p", lambda e: Judgement("x", "perhaps"))], folder)


def test_evidence_is_found_in_the_first_folder_that_has_it(folder, tmp_path_factory):
    newer = tmp_path_factory.mktemp("newer")
    pd.DataFrame({"method": ["kaiser_fast"], "real_time_ratio": [1.0], "slowest_round": [1.0]}).to_csv(newer / "table-3.csv", index=False)
    assert Evidence([newer, folder]).number("table-3.csv", "real_time_ratio", method="kaiser_fast") == 1.0
    assert Evidence([newer, folder]).finding(ONE) == 1.0
    with pytest.raises(NotPrepared, match="table-9"):
        Evidence(newer).frame("table-9.csv")
    with pytest.raises(KeyError, match="2 rows"):
        Evidence(folder).number("table-3.csv", "real_time_ratio")


def test_findings_are_named_once_and_finite():
    findings = Findings("11_test")
    findings.add(ONE, True)
    assert findings.rows[0]["value"] == 1.0
    with pytest.raises(ValueError, match="already"):
        findings.add(ONE, 2.0)
    with pytest.raises(ValueError, match="finite"):
        findings.add(GOOD, float("nan"))
    with pytest.raises(ValueError, match="not declared"):
        findings.add("no_such_finding", 1.0)
