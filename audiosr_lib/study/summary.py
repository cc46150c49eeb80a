"""Write two parts of README.md from a record, the result at a glance and the verdicts: ``python -m audiosr_lib.study.summary``.

A test compares README.md with the record that it names, so nobody types these numbers.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from audiosr_lib.base import files, paths
from audiosr_lib.base.labels import CONTROLS, LABELS, PILOT, SYSTEMS
from audiosr_lib.claims import CLAIMS, MEANINGS
from audiosr_lib.claims.judging import POWER_CLAMP

BEGIN, END = "<!-- result at a glance: begin (python -m audiosr_lib.study.summary) -->", "<!-- result at a glance: end -->"
VERDICTS_BEGIN, VERDICTS_END = "<!-- verdicts: begin (python -m audiosr_lib.study.summary) -->", "<!-- verdicts: end -->"
VERDICT_COLUMNS = ("verdict", "means", "claims of the text", "facts of the printed program")
CONTROL_NOTE = "The last three columns are controls: simple ways to fill the upper band without a network, fitted to the training speakers"
IN_SETS = ("kaiser_fast", PILOT, "unet", "noise", "replication")
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


def systems(folder: Path) -> dict[str, str]:
    """Return the systems in Table 2 of a record, by name with the label of each. The only U-Net of a record is called "U-Net"."""
    present = set(pd.read_csv(folder / "table-2.csv").system)
    labels = LABELS if PILOT in present else LABELS | {"unet": "U-Net"}
    return {s: labels[s] for s in (*SYSTEMS[:2], PILOT, "unet", *CONTROLS) if s in present}


def glance_table(folder: Path) -> list[list[str]]:
    """Return the result at a glance of a record: a head of labels, then for each measure a row of its label and a cell for each system."""
    quality = pd.read_csv(folder / "table-2.csv").set_index(["measure", "system"])
    speed = pd.read_csv(folder / "table-3.csv").set_index("method")
    names = systems(folder)
    rows = [["", *names.values()]]
    for measure, label in ROWS.items():
        rows.append([label, *(_cell(*quality.loc[(measure, s), ["mean", "coursework"]], 2) for s in names)])
    cells = [_cell(*speed.loc[s, ["real_time_ratio", "coursework"]], 1) if s in speed.index else "" for s in names]
    return [*rows, ["real-time ratio, higher is better", *cells]]


def sets_table(folder: Path) -> list[list[str]]:
    """Return the LSD (log10) on each test set, with the interval over speakers in brackets, as rows of cells; the first is the head."""
    table, names = pd.read_csv(folder / "table-2-sets.csv"), systems(folder)
    table, shown = table[table.measure == "lsd_log10"], [s for s in IN_SETS if s in names]
    rows = [["test set", "speakers", *(names[s] for s in shown)]]
    for name, part in table.groupby("test_set", sort=False):
        by_system = part.set_index("system")
        cells = []
        for system in shown:
            mean, low, high = by_system.loc[system, ["mean", "low_speakers", "high_speakers"]]
            cells.append(f"{mean:.2f}" + ("" if pd.isna(low) else f" ({low:.2f} to {high:.2f})"))
        rows.append([str(name), str(part.speakers.iloc[0]), *cells])
    return rows


def against_controls(folder: Path) -> str:
    """Return a sentence that compares the U-Net's LSD (log10) with that of the best control, by the paired difference on the test set."""
    means = pd.read_csv(folder / "table-2.csv").query("measure == 'lsd_log10'").set_index("system")["mean"]
    best = means[list(CONTROLS)].idxmin()
    paired = pd.read_csv(folder / "data-paired-differences.csv").set_index(["measure", "system", "against"])
    verdict = paired.loc[("lsd_log10", "unet", best), "verdict"]
    words = {"better": "beats", "worse": "loses to"}.get(verdict, "cannot be told from")
    sets = pd.read_csv(folder / "data-set-pairs.csv").query("measure == 'lsd_log10'")
    lower = {a: int((part["mean"] < 0).sum()) for a, part in sets.groupby("against")}
    network = "the trained U-Net" if PILOT in means.index else "the U-Net"
    one_set = f"By LSD {network} {words} the best control, {LABELS[best]}: {means['unet']:.2f} against {means[best]:.2f} (log10)."
    led = f"it has a lower LSD than Kaiser fast on {lower['kaiser_fast']}, than shaped noise on {lower['noise']}."
    return f"{one_set} Of the {sets.test_set.nunique()} test sets, {led}"


def seeds(folder: Path) -> str:
    """Return a sentence on the LSD of the U-Net with other seeds; "" if the record has one seed."""
    table = pd.read_csv(folder / "table-seeds.csv")
    if table.seed.nunique() < 2:
        return ""
    spread = table.groupby("test_set", sort=False).lsd_log10.agg(["min", "max"])
    ranges = ", ".join(f"{name} {r['min']:.2f} to {r['max']:.2f}" for name, r in spread.iterrows())
    return f"Mean LSD of the U-Net of this run over {table.seed.nunique()} seeds of its training, on each set: {ranges}."


def trained(folder: Path, manifest: dict) -> str:
    """Return a text on the training of each U-Net of a record: its length, and the step of its lowest validation loss."""
    if (folder / "data-networks.csv").exists():
        return "; ".join(
            f"{r.label}: {r.steps:,} training steps on {r.hours_heard:.2g} hours of crops of {r.corpus}, the lowest validation loss "
            f"at step {r.best_step:,}" + (", the last one: it was not trained to its end" if r.best_step == r.steps else "")
            for r in pd.read_csv(folder / "data-networks.csv").itertuples()
        )
    numbers, log = manifest["parameters"], pd.read_csv(folder / "data-validation-log.csv")
    best, last = int(log.step[log.loss.idxmin()]), int(log.step.iloc[-1])
    steps = min(last, numbers["steps"])
    minutes = steps * numbers["batch_size"] * numbers["crop_seconds"] / 60
    still = "the last one: it was not trained to its end" if best == last else f"of {last}"
    return f"{steps:,} training steps on {minutes:,.0f} minutes of crops, the lowest validation loss at step {best:,}, {still}"


def spoken(folder: Path) -> str:
    """Return the size of the test set behind the means: "60 utterances of 3 unseen speakers"."""
    table = pd.read_csv(folder / "data-per-utterance.csv")
    return f"{table.utterance.nunique():,} utterances of {table.speaker.nunique()} unseen speakers"


def audited(folder: Path) -> str:
    """Return the number of utterances of the run's corpus behind the claims that need several conventions: "30 of these utterances"."""
    table = pd.read_csv(folder / "data-fair-per-utterance.csv")
    return f"{table[table.corpus == table.corpus.iloc[0]].utterance.nunique():,} of these utterances"


def machine(manifest: dict) -> str:
    """Return the name of the GPU or processor that ran the networks of a record."""
    return manifest["device"].get("gpu") if manifest["parameters"]["device"] == "cuda" else manifest["device"]["cpu"]


def _markdown(table: list[list[str]]) -> list[str]:
    head, *rows = ["| " + " | ".join(row).lstrip() + " |" for row in table]
    return [head, "|---|" + "---:|" * (len(table[0]) - 1), *rows]


def glance(profile: str = "quick") -> str:
    """Return the result at a glance as Markdown with its begin and end marks, from the published record of a profile."""
    folder = paths.REPOSITORY / "figures" / profile
    manifest = files.read_json(folder / "manifest.json")
    lines = _markdown(glance_table(folder))
    minutes = sum(manifest["seconds"].values()) / 60
    made_by = f"seed {manifest['seed']}, commit {manifest['git_commit'][:12]}, record of {manifest['finished']}"
    note = (
        f"Means over {spoken(folder)}; LSD with powers clamped at {POWER_CLAMP}; in brackets what the coursework prints. "
        f"{CONTROL_NOTE}. {against_controls(folder)} Profile `{profile}`: {trained(folder, manifest)}; "
        f"*{manifest['corpus']['title']}*, {machine(manifest)}, "
        f"{minutes:.0f} minutes for all notebooks, {made_by}. Intervals, conventions and per-speaker numbers: notebook 10."
    )
    sets = _markdown(sets_table(folder))
    heading = "LSD (log10) on each test set; in brackets the 95 % interval over its speakers. *Lossy*: the originals passed a lossy codec."
    return "\n".join([BEGIN, *lines, "", note, "", heading, "", *sets, *(["", text] if (text := seeds(folder)) else []), END])


def named_record(text: str) -> str:
    """Return the time at which the record that a README names was finished; "" if it names none."""
    found = re.search(r"record of (\d{4}-\d\d-\d\dT[\d:]+Z)", text)
    return found[1] if found else ""


def claims_table(folder: Path) -> pd.DataFrame:
    """Return tables/claims.csv of a record with every column as text."""
    return pd.read_csv(folder / "tables" / "claims.csv", keep_default_na=False, dtype=str)


def verdict_rows(table: pd.DataFrame) -> list[list[str]]:
    """Return for each verdict its meaning and the numbers of claims of the text and facts of the program; the last row is "all"."""
    program = table["section"] == "Appendix A"
    groups = [(verdict, meaning, table.verdict == verdict) for verdict, meaning in MEANINGS.items()] + [("all", "", True)]
    return [[name, meaning, str((given & ~program).sum()), str((given & program).sum())] for name, meaning, given in groups]


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """Return the claims that README.md and the report's front page show."""
    return table[table.id.isin({c.id for c in CLAIMS if c.headline})]


def verdicts(profile: str = "quick") -> str:
    """Return the numbers of verdicts and the headline claims of a record as Markdown with begin and end marks."""
    table = claims_table(paths.REPOSITORY / "figures" / profile)
    lines = [f"| {' | '.join(VERDICT_COLUMNS)} |", "|---|---|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in verdict_rows(table)]
    lines += ["", "| claim | coursework | here | convention | verdict |", "|---|---|---|---|---|"]
    lines += [f"| {r.claim} | {r.coursework} | {r.ours} | {r.convention} | {r.verdict} |" for r in headline(table).itertuples()]
    return "\n".join([VERDICTS_BEGIN, *lines, VERDICTS_END])


def main() -> int:
    """Write both parts into README.md and return the exit status."""
    file = paths.REPOSITORY / "README.md"
    text = file.read_text(encoding="utf-8")
    for begin, end, part in ((BEGIN, END, glance()), (VERDICTS_BEGIN, VERDICTS_END, verdicts())):
        before, rest = text.split(begin)
        text = before + part + rest.split(end)[1]
    files.write_text(file, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
