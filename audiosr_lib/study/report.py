"""Make a report of a published record that any browser shows without a network: ``python -m audiosr_lib.study.report [profile]``.

The report is made from the files of the record only; no notebook runs. report/index.html is the front page. Beside it are one page for each
executed notebook, MathJax for the equations, and copies of the figures, so that the folder can be handed over without the record. The same
record gives the same bytes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from audiosr_lib.base import files, paths
from audiosr_lib.base.errors import run_command
from audiosr_lib.base.labels import PILOT
from audiosr_lib.base.profiles import PROFILES
from audiosr_lib.claims.judging import POWER_CLAMP
from audiosr_lib.study import chapters, pages, record, summary
from audiosr_lib.study.chapters import Chapter, Heading
from audiosr_lib.study.pages import ReportError, Table
from audiosr_lib.teaching import player

LONG = 12  # a table with more rows is folded
CLAIMS_HEAD = ("claim", "verdict", "coursework", "here", "convention, or what it is about", "chapter")
SECTIONS = (
    ("result", "The result at a glance"), ("listening", "Listening"), ("claims", "Is the coursework right?"), ("notebooks", "Notebooks"),
    ("figures", "Figures"), ("tables", "Tables"), ("provenance", "Provenance"),
)  # fmt: skip


def listening(folder: Path, manifest: dict) -> str:
    """Return the HTML of a player of the record's first listening example, all versions with their saved gain; "" without clips."""
    clips = [a for a in manifest["artifacts"] if a["id"].startswith("clip-")]
    if not clips:
        return ""
    example, versions = clips[0]["title"].partition(":")[0], []
    for a in clips:
        name, _, version = a["title"].partition(":")
        if name == example:
            file = next(n for n in a["files"] if n.endswith(".flac"))
            versions.append(player.Encoded(version.strip(), (folder / file).read_bytes()))
    return player.player_html(versions, example, clips[0]["gain_db"])


def read_manifest(folder: Path) -> dict:
    """Return the manifest of a record. Raises ReportError if it is missing or unreadable, or if a listed file is missing or changed."""
    remedy = f"run ./run_all.sh --profile {folder.name} to make the record"
    if folder.name not in PROFILES:
        remedy = f"choose a record of {', '.join(PROFILES)}"
    try:
        manifest = files.read_json(folder / "manifest.json", "artifacts", "notebooks", "profile")
        problems = record.damage(folder)
    except FileNotFoundError:
        raise ReportError(f"there is no record in {paths.shown(folder)}: {remedy}") from None
    except (files.DamagedFile, ValueError, KeyError, TypeError):
        raise ReportError(f"manifest.json of {paths.shown(folder)} is damaged: {remedy}") from None
    if problems:
        raise ReportError(f"the record in {paths.shown(folder)} is broken, {problems[0]}: {remedy}")
    return manifest


def label(artifact_id: str) -> str:
    """Return the label of a numbered artefact: "Table 2 (fair)" for table-2-fair; "" for an artefact without a number."""
    found = re.fullmatch(r"(figure|table)-([\d.]+)(?:-(\w+))?", artifact_id)
    return f"{found[1].capitalize()} {found[2]}" + (f" ({found[3]})" if found[3] else "") if found else ""


def of_kind(manifest: dict, kind: str) -> list[dict]:
    """Return the manifest's figures or tables in their order, without the table of claims, which has its own section."""
    return [a for a in manifest["artifacts"] if a["id"].startswith(f"{kind}-") and a["id"] != "table-claims"]


def duration(seconds: float) -> str:
    """Return a duration as text: "44 s", "5 min 21 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def figures(folder: Path, manifest: dict, by_name: dict[str, Chapter]) -> list[dict]:
    """Return what the front page shows of each figure: label, title, alternative text, size, files, chapter and cell."""
    shown, drawn = [], of_kind(manifest, "figure")
    for a in drawn:
        chapter = by_name[a["notebook"]]
        png = next(n for n in a["files"] if n.endswith(".png"))
        width, height = pages.png_size((folder / png).read_bytes())
        same_cell = [b["id"] for b in drawn if (b["notebook"], b["cell"]) == (a["notebook"], a["cell"])]
        alts = chapter.alts.get(a["cell"], [])
        alt = alts[same_cell.index(a["id"])] if len(alts) == len(same_cell) else a["title"]
        shown.append(a | {"label": label(a["id"]), "png": png, "width": width, "height": height, "alt": alt, "chapter": chapter})
    return shown


def tables(folder: Path, manifest: dict, by_name: dict[str, Chapter]) -> list[dict]:
    """Return what the front page shows of each table: label, title, content, chapter and cell."""
    return [
        a | {"label": label(a["id"]), "chapter": by_name[a["notebook"]],
             "content": pages.table_of(folder / next(n for n in a["files"] if n.endswith(".csv")))}
        for a in of_kind(manifest, "table")
    ]  # fmt: skip


def claims_by_section(table: pd.DataFrame, by_name: dict[str, Chapter]) -> list[tuple[str, list[dict]]]:
    """Return the claims by section of the coursework, in its order, each with its interval as text and a link to its notebook cell."""
    groups: dict[str, list[dict]] = {}
    for r in table.to_dict("records"):
        found = re.fullmatch(r"(\w+) \[(\d+)\]", r["cell"])
        href = f"{by_name[found[1]].page}#cell-{found[2]}" if found and found[1] in by_name else ""
        interval = f"interval {float(r['low']):.4g} to {float(r['high']):.4g}" if r["low"] else ""
        cell = f"{found[1][:2]}, cell {found[2]}" if found else r["cell"]
        section = f"Section {r['section']}" if r["section"][:1].isdigit() else r["section"]
        groups.setdefault(section, []).append(r | {"interval": interval, "href": href, "cell": cell})
    return sorted(groups.items(), key=lambda group: ([int(n) for n in re.findall(r"\d+", group[0])] or [99], group[0]))


def provenance(manifest: dict) -> list[tuple[str, str]]:
    """Return code, machine and corpus of a run as pairs of name and value."""
    corpus, device = manifest["corpus"], manifest["device"]
    hours = sum(corpus["seconds"].values()) / 3600
    split = ", ".join(f"{n:,} {name}" for name, n in corpus["utterances"].items())
    graphics = [("GPU", f"{device['gpu']}, CUDA {device.get('cuda', '')}, driver {device.get('driver', '')}")] if "gpu" in device else []
    return [
        ("Profile", manifest["profile"]),
        ("Seed", str(manifest["seed"])),
        ("Code", f"commit {manifest['git_commit']}"),
        ("Finished", manifest["finished"].replace("T", " ").replace("Z", " UTC")),
        ("All notebooks", duration(sum(manifest["seconds"].values()))),
        ("Networks on", manifest["parameters"]["device"]),
        ("Processor", f"{device['cpu']}; {device['system']}, {device['torch_threads']} threads for PyTorch"),
        *graphics,
        ("Corpus", corpus["title"]),
        ("Recordings", f"{sum(corpus['utterances'].values()):,} utterances ({split}), {hours:.1f} hours"),
        ("Licence of the corpus", corpus["licence"]),
        ("Source of the corpus", corpus["source"]),
        ("SHA-256 of its content", corpus["content_sha256"]),
        *([("Lossy coding", corpus["lossy"])] if corpus.get("lossy") else []),
        *((f"Also tested on {c['corpus']}", f"{c['title']}, {c['licence']}, {c['source']}, SHA-256 {c['content_sha256']}")
          for c in manifest.get("tested_on", ())),
    ]  # fmt: skip


def of_cells(rows: list[list[str]]) -> Table:
    """Return a table whose head is the first row and whose first column holds text, the others numbers."""
    return Table(rows[0], rows[1:], [False] + [True] * (len(rows[0]) - 1))


def front_page(folder: Path, manifest: dict, made: list[Chapter]) -> str:
    """Return the HTML of index.html."""
    by_name = {c.name: c for c in made}
    claims = summary.claims_table(folder)
    heard = Markup(listening(folder, manifest))
    return pages.TEMPLATES.get_template("front.html.j2").render(
        manifest=manifest,
        toc=[Heading(2, Markup(text), anchor) for anchor, text in SECTIONS if heard or anchor != "listening"],
        machine=summary.machine(manifest),
        spoken=summary.spoken(folder),
        audited=summary.audited(folder),
        trained=summary.trained(folder, manifest),
        judged="the trained U-Net" if PILOT in summary.systems(folder) else "the U-Net of this run",
        control=summary.CONTROL_NOTE,
        beaten=summary.against_controls(folder),
        sets=of_cells(summary.sets_table(folder)),
        seeds=summary.seeds(folder),
        clamp=POWER_CLAMP,
        glance=of_cells(summary.glance_table(folder)),
        listening=heard,
        chapters=made,
        took={c.name: duration(manifest["seconds"][c.name]) if c.name in manifest["seconds"] else "" for c in made},
        figures=figures(folder, manifest, by_name),
        tables=tables(folder, manifest, by_name),
        long=LONG,
        verdicts=Table(summary.VERDICT_COLUMNS, summary.verdict_rows(claims), [False, False, True, True]),
        headline=summary.headline(claims).to_dict("records"),
        claims=claims_by_section(claims, by_name),
        claims_head=CLAIMS_HEAD,
        claims_count=len(claims),
        provenance=provenance(manifest),
        versions=Table(["package", "version"], list(manifest["versions"].items()), [False, False]),
        seconds=Table(["notebook", "seconds"], [(n, f"{s:.1f}") for n, s in manifest["seconds"].items()], [False, True]),
    )


def build(folder: Path) -> Path:
    """Make the report of the published record in `folder` and return the path of its index.html.

    ReportError if the record is missing or broken, or if MathJax is not installed; an older report then stays unchanged.
    """
    manifest = read_manifest(folder)
    page, drawn, made = pages.TEMPLATES.get_template("chapter.html.j2"), of_kind(manifest, "figure"), []
    for name in manifest["notebooks"]:
        titles: dict[int, list[str]] = {}
        for a in drawn:
            if a["notebook"] == Path(name).stem:
                titles.setdefault(a["cell"], []).append(a["title"])
        made.append(chapters.convert(folder / name, titles))
    with files.atomic_folder(folder / "report") as new:
        pages.copy_mathjax(new / "assets")
        (new / "figures").mkdir()
        for name in (n for a in drawn for n in a["files"]):
            shutil.copyfile(folder / name, new / "figures" / name)
        for before, chapter, after in zip([None, *made], made, [*made[1:], None], strict=False):
            toc = [h for h in chapter.headings if 1 < h.level < 4]
            text = page.render(chapter=chapter, previous=before, next=after, toc=toc)
            files.write_text(new / chapter.page, text)
        files.write_text(new / "index.html", front_page(folder, manifest, made))
    return folder / "report" / "index.html"


def main(arguments: list[str] | None = None) -> int:
    """Make the report of a record, print its path and size, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m audiosr_lib.study.report", description="Make the report of a record.")
    parser.add_argument("profile", nargs="?", default="quick", help="profile of the record (default: quick)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)

    def work() -> int:
        started = time.perf_counter()
        index = build(paths.figures(options.profile))
        megabytes = sum(f.stat().st_size for f in index.parent.rglob("*") if f.is_file()) / 1e6
        print(f"{paths.shown(index)}: {megabytes:.1f} MB, {time.perf_counter() - started:.1f} s")
        return 0

    return run_command(work, debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
