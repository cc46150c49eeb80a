"""Two parts of README.md, written from a record: the result at a glance and the verdicts. ``python -m audiosr_lib.study.summary``

A test holds README.md to what this makes of the record that README.md names, so the numbers there are never typed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from audiosr_lib.base import files, paths
from audiosr_lib.base.labels import LABELS, SYSTEMS
from audiosr_lib.claims import CLAIMS, MEANINGS
from audiosr_lib.claims.judging import POWER_CLAMP

BEGIN, END = "<!-- result at a glance: begin (python -m audiosr_lib.study.summary) -->", "<!-- result at a glance: end -->"
VERDICTS_BEGIN, VERDICTS_END = "<!-- verdicts: begin (python -m audiosr_lib.study.summary) -->", "<!-- verdicts: end -->"
VERDICT_COLUMNS = ("verdict", "means", "claims of the text", "facts of the printed program")
COLUMNS = (*(LABELS[s] for s in SYSTEMS), "control: Kaiser fast + noise")
ROWS = {
    "snr_db": "SNR (dB), higher is better",
    "lsd_ln": "LSD, natural logarithm, lower is better",
    "lsd_log10": "LSD, log10, lower is better",
    "lsd_pass_log10": "… in the band that the filters pass whole",
    "lsd_low_log10": "… below 11.025 kHz",
    "lsd_high_log10": "… above 11.025 kHz",
}


def _cell(value: float, source: float, digits: int) -> str:
    printed = "" if pd.isna(source) else f" ({source:.{digits}f})"
    return f"{value:.{digits}f}{printed}"


def glance_rows(folder: Path) -> list[list[str]]:
    """The result at a glance from a record's folder: one row a measure, its label and a cell for each of `COLUMNS`."""
    quality = pd.read_csv(folder / "table-2.csv").set_index(["measure", "system"])
    speed = pd.read_csv(folder / "table-3.csv").set_index("method")
    noise = pd.read_csv(folder / "data-noise-control.csv").mean(numeric_only=True)
    rows = []
    for measure, label in ROWS.items():
        cells = [_cell(quality.loc[(measure, s), "mean"], quality.loc[(measure, s), "coursework"], 2) for s in SYSTEMS]
        rows.append([label, *cells, _cell(noise[measure], float("nan"), 2) if measure in noise else ""])
    cells = [_cell(speed.loc[s, "real_time_ratio"], speed.loc[s, "coursework"], 1) for s in SYSTEMS]
    return [*rows, ["real-time ratio, higher is better", *cells, ""]]


def trained(folder: Path, manifest: dict) -> str:
    """How long the network was trained, in words, and whether it was still getting better."""
    numbers, log = manifest["parameters"], pd.read_csv(folder / "data-validation-log.csv")
    minutes = numbers["steps"] * numbers["batch_size"] * numbers["crop_seconds"] / 60
    steps, best, last = numbers["steps"], int(log.step[log.loss.idxmin()]), int(log.step.iloc[-1])
    if last < steps:
        steps, minutes = last, minutes * last / steps
    still = "the last one: it was not trained to its end" if best == last else f"of {last}"
    return f"{steps:,} training steps on {minutes:,.0f} minutes of crops, the lowest validation loss at step {best:,}, {still}"


def control(manifest: dict) -> str:
    """What the glance's last column is, in the words of the table that holds it."""
    title = next(a["title"] for a in manifest["artifacts"] if a["id"] == "data-noise-control")
    return f"The last column is no method but a control: {title}, which knows nothing of the speech"


def spoken(folder: Path) -> str:
    """Whose means the glance shows: "60 utterances of 3 unseen speakers"."""
    table = pd.read_csv(folder / "data-per-utterance.csv")
    return f"{table.utterance.nunique():,} utterances of {table.speaker.nunique()} unseen speakers"


def audited(folder: Path) -> str:
    """On how many of them the claims that need several conventions are judged."""
    table = pd.read_csv(folder / "data-fair-per-utterance.csv")
    return f"{table.utterance.nunique():,} of these utterances"


def machine(manifest: dict) -> str:
    """What the networks of a record ran on: the GPU, or the processor."""
    return manifest["device"].get("gpu") if manifest["parameters"]["device"] == "cuda" else manifest["device"]["cpu"]


def glance(profile: str = "quick") -> str:
    """Markdown of the result at a glance, between its two marks, from the published record of a profile."""
    folder = paths.REPOSITORY / "figures" / profile
    manifest = files.read_json(folder / "manifest.json")
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---|" + "---:|" * len(COLUMNS)]
    lines += [f"| {' | '.join(row)} |" for row in glance_rows(folder)]
    minutes = sum(manifest["seconds"].values()) / 60
    made_by = f"seed {manifest['seed']}, commit {manifest['git_commit'][:12]}, record of {manifest['finished']}"
    note = (
        f"Means over {spoken(folder)}; LSD with powers clamped at {POWER_CLAMP}; in brackets what the coursework prints. "
        f"{control(manifest)}. Profile `{profile}`: {trained(folder, manifest)}; *{manifest['corpus']['title']}*, {machine(manifest)}, "
        f"{minutes:.0f} minutes for all notebooks, {made_by}. Intervals, conventions and per-speaker numbers: notebook 10."
    )
    return "\n".join([BEGIN, *lines, "", note, END])


def named_record(text: str) -> str:
    """Return the time at which the record that a README was written from was finished; "" if it names none."""
    found = re.search(r"record of (\d{4}-\d\d-\d\dT[\d:]+Z)", text)
    return found[1] if found else ""


def claims_table(folder: Path) -> pd.DataFrame:
    """A record's tables/claims.csv, all columns text."""
    return pd.read_csv(folder / "tables" / "claims.csv", keep_default_na=False, dtype=str)


def verdict_rows(table: pd.DataFrame) -> list[list[str]]:
    """Rows of verdict, its meaning, claims of the text with it, facts of the printed program with it; the last one is "all"."""
    program = table["section"] == "Appendix A"
    rows = []
    for verdict, meaning in MEANINGS.items():
        given = table.verdict == verdict
        rows.append([verdict, meaning, str((given & ~program).sum()), str((given & program).sum())])
    return [*rows, ["all", "", str((~program).sum()), str(program.sum())]]


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """The claims that stand in README.md and on the report's front page."""
    return table[table.id.isin({c.id for c in CLAIMS if c.headline})]


def verdicts(profile: str = "quick") -> str:
    """Markdown of how many claims got which verdict, and of the headline claims, from a record's tables/claims.csv."""
    table = claims_table(paths.REPOSITORY / "figures" / profile)
    lines = [f"| {' | '.join(VERDICT_COLUMNS)} |", "|---|---|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in verdict_rows(table)]
    lines += ["", "| claim | coursework | here | convention | verdict |", "|---|---|---|---|---|"]
    lines += [f"| {r.claim} | {r.coursework} | {r.ours} | {r.convention} | {r.verdict} |" for r in headline(table).itertuples()]
    return "\n".join([VERDICTS_BEGIN, *lines, VERDICTS_END])


def main() -> int:
    """Put both parts into README.md."""
    file = paths.REPOSITORY / "README.md"
    text = file.read_text(encoding="utf-8")
    for begin, end, part in ((BEGIN, END, glance()), (VERDICTS_BEGIN, VERDICTS_END, verdicts())):
        before, rest = text.split(begin)
        text = before + part + rest.split(end)[1]
    files.write_text(file, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
