"""The report holds what the record holds, links to what exists, loads nothing from elsewhere, and is made whole or not at all."""

import base64
import importlib.metadata
import io
import re
import shutil
from urllib.parse import unquote

import helpers
import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat import v4
from PIL import Image

from audiosr_lib.base import files, paths
from audiosr_lib.claims.judging import VERDICTS
from audiosr_lib.study import chapters, pages, report, summary
from audiosr_lib.study.pages import ReportError
from audiosr_lib.teaching import player

matplotlib.use("Agg")
QUICK = paths.REPOSITORY / "figures" / "quick"
committed = pytest.mark.skipif(QUICK not in helpers.committed_records(), reason="another record lies in figures/quick")
NASTY = "<script>alert(1)</script> & \"b\" 'c'"
LATEX = r"$$\begin{cases} a_1 & x < 0 \\ b_{\text{max}} & x \ge 0 \end{cases}$$"


def png(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def picture(width: int, height: int, **about: str):
    data = {"image/png": base64.encodebytes(png(width, height)).decode(), "text/plain": "<Figure>"}
    return v4.new_output("display_data", data, metadata={"image/png": dict(about)} if about else {})


def markdown_output(text: str):
    return v4.new_output("display_data", {"text/markdown": text, "text/plain": ""})


def code(number: int, source: str, outputs=(), **metadata):
    return v4.new_code_cell(source, execution_count=number, outputs=list(outputs), metadata=metadata, id=f"c{number}")


def first_notebook():
    stream = v4.new_output("stream", name="stdout", text="costs $5 < $6 <b>bold</b>\n")
    player = v4.new_output("display_data", {"text/html": '<table><tr><td>$x$</td></tr></table><script>let a = 1 < 2 && "$";</script>'})
    cells = [
        v4.new_markdown_cell("# A *first* look", id="m1"),
        code(1, 'profile = "quick"', tags=["parameters"]),
        code(2, 'profile = "smoke"', tags=["injected-parameters"]),
        code(3, "import numpy as np"),
        v4.new_markdown_cell(f"## 1. Main\n\n{LATEX}\n\nand $x_1*y_2*z < 1$\n\n| a | $b$ |\n|---|---:|\n| 1 | 2 |", id="m2"),
        code(4, "price = '$a$ and <b>'", [stream, picture(30, 20), picture(31, 21, alt=f"by hand {NASTY}")]),
        v4.new_markdown_cell("## 1. Main\n\nagain", id="m3"),
        code(5, "show()", [picture(40, 20), player, markdown_output("| e | f |\n|---|---|\n| 1 | 2 |")]),
    ]
    return v4.new_notebook(cells=cells)


def second_notebook():
    cells = [
        v4.new_markdown_cell("# 2. The & second", id="m1"),
        code(7, "1 + 1", [v4.new_output("execute_result", {"text/plain": "2 < 3"})]),
    ]
    return v4.new_notebook(cells=cells)


def small_record(folder):
    """A record of two notebooks, two figures, and the tables that the front page reads."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "tables").mkdir()
    nbformat.write(first_notebook(), folder / "notebooks" / "01_first.ipynb")
    nbformat.write(second_notebook(), folder / "notebooks" / "02_second.ipynb")
    for name in ("figure-1.1", "figure-odd"):
        (folder / f"{name}.png").write_bytes(png(120, 80))
    values = iter(range(1000))
    pd.DataFrame(
        [{"measure": m, "system": s, "mean": 10 + next(values) / 4, "coursework": np.nan if s == "unet" else 7.25}
         for m in summary.ROWS for s in (*summary.SYSTEMS, summary.PILOT, *summary.CONTROLS)]
    ).to_csv(folder / "table-2.csv", index=False)  # fmt: skip
    pd.DataFrame({"method": list(summary.SYSTEMS), "real_time_ratio": [150.0, 70.5, 9.25], "coursework": [170.0, 22.8, 55.5]}).to_csv(
        folder / "table-3.csv", index=False
    )
    pd.DataFrame({"utterance": list("aabb"), "speaker": ["p", "p", "q", "q"]}).to_csv(folder / "data-per-utterance.csv", index=False)
    pd.DataFrame({"utterance": list("abc"), "corpus": ["own", "own", "other"]}).to_csv(folder / "data-fair-per-utterance.csv", index=False)
    pd.DataFrame(
        [{"test_set": t, "speakers": n, "measure": m, "system": s, "mean": 2 + next(values) / 8, "low_speakers": low, "high_speakers": 9.5}
         for t, n, low in (("voices (lossy)", 3, 1.5), ("one voice", 1, np.nan)) for m in ("lsd_log10", "snr_db")
         for s in (*summary.SYSTEMS, summary.PILOT, *summary.CONTROLS)]
    ).to_csv(folder / "table-2-sets.csv", index=False)  # fmt: skip
    pd.DataFrame(
        {"measure": "lsd_log10", "system": "unet", "against": list(summary.CONTROLS), "verdict": ["better", "worse", "worse"]}
    ).to_csv(folder / "data-paired-differences.csv", index=False)
    pairs = [("voices", "kaiser_fast", -2.0), ("voices", "noise", -0.5), ("one voice", "kaiser_fast", -1.0), ("one voice", "noise", 0.25)]
    table = pd.DataFrame(pairs, columns=["test_set", "against", "mean"]).assign(measure="lsd_log10")
    table.to_csv(folder / "data-set-pairs.csv", index=False)
    pd.DataFrame({"test_set": ["one voice"] * 2, "seed": [0, 4], "lsd_log10": [1.25, 1.75]}).to_csv(folder / "table-seeds.csv", index=False)
    networks = [("unet_pilot", "U-Net, this run", 7, 7, 0.05, "voices"), ("unet", "U-Net, trained", 9000, 8000, 12.34, "a+b")]
    columns = ["system", "label", "steps", "best_step", "hours_heard", "corpus"]
    pd.DataFrame(networks, columns=columns).to_csv(folder / "data-networks.csv", index=False)
    rows = [(f"id{i}", s, f"claim {i} {NASTY}", "statement", "ours", v, c) for i, (s, v, c) in enumerate(
        [("1.1", VERDICTS[0], "01_first [4]"), ("1.1", VERDICTS[3], ""), ("Appendix A", VERDICTS[2], "02_second [7]")])]  # fmt: skip
    table = pd.DataFrame(rows, columns=["id", "section", "claim", "coursework", "ours", "verdict", "cell"])
    table.assign(low=[1.23456, "", ""], high=[2.0, "", ""], convention="").to_csv(folder / "tables" / "claims.csv", index=False)

    def artifact(name, title, notebook, cell, *names):
        return {"id": name, "title": title, "notebook": notebook, "cell": cell, "files": list(names),
                "sha256": {n: files.sha256_of(folder / n) for n in names}}  # fmt: skip

    manifest = {
        "profile": "small", "parameters": {"steps": 7, "batch_size": 30, "crop_seconds": 2.0, "device": "cpu"},
        "seed": 3, "git_commit": "abc123", "finished": "2030-01-02T03:04:05Z",
        "corpus": {"title": "A corpus <of> voices", "licence": "MIT", "source": "https://voices.example/", "content_sha256": "f" * 64,
                   "utterances": {"train": 2, "test": 1}, "seconds": {"train": 5400.0, "test": 1800.0}},
        "device": {"cpu": "A processor, 2 cores", "torch_threads": "2", "system": "Linux"}, "versions": {"python": "3.11.7"},
        "seconds": {"01_first": 61.4, "02_second": 3.0},
        "artifacts": [
            artifact("figure-1.1", f"One {NASTY}", "01_first", 4, "figure-1.1.png"),
            artifact("figure-odd", "Two", "01_first", 5, "figure-odd.png"),
            artifact("table-2", "Quality", "02_second", 7, "table-2.csv"),
            artifact("data-per-utterance", "Each utterance", "02_second", 7, "data-per-utterance.csv"),
            artifact("table-3", "Speed", "02_second", 7, "table-3.csv"),
            artifact("table-claims", "Claims", "02_second", 7, "tables/claims.csv"),
        ],
        "notebooks": {f"notebooks/{n}.ipynb": files.sha256_of(folder / "notebooks" / f"{n}.ipynb") for n in ("01_first", "02_second")},
    }  # fmt: skip
    files.write_json(folder / "manifest.json", manifest)
    return folder


@pytest.fixture
def folder(tmp_path):
    return small_record(tmp_path / "figures" / "small")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The report of the committed record, made in a copy."""
    copy = tmp_path_factory.mktemp("report") / "quick"
    shutil.copytree(QUICK, copy, ignore=shutil.ignore_patterns("report"))
    report.build(copy)
    return copy / "report"


def attributes(html: str, name: str) -> list[str]:
    return re.findall(rf'<[^>]*?\s{name}="([^"]*)"', html)


def without_scripts(html: str) -> str:
    return re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.S)


def links_are_sound(built):
    """Every link and anchor of every page resolves, and nothing is loaded but from the folder or the page itself."""
    texts = {f.name: without_scripts(f.read_text(encoding="utf-8")) for f in built.glob("*.html")}
    ids = {name: re.findall(r'\sid="([^"]+)"', text) for name, text in texts.items()}
    for name, text in texts.items():
        assert len(ids[name]) == len(set(ids[name])), f"{name}: an id occurs twice"
        for link in attributes(text, "href"):
            if link.startswith("data:"):
                continue
            target, _, anchor = unquote(link).partition("#")
            assert (built / (target or name)).exists(), (name, link)
            assert not anchor or anchor in ids[target or name], (name, link)
        for source in attributes(text, "src"):
            assert source.startswith("data:") or (built / source).exists(), (name, source)
    for file in built.glob("*.html"):
        html = file.read_text(encoding="utf-8")
        loads = re.findall(r'(?:src|srcset|poster|data)="(?:https?:)?//[^"]*|<link[^>]*href="(?:https?:)?//[^"]*|url\([^)d]|@import', html)
        assert loads == [], file.name
        for script in re.findall(r'<script[^>]*src="([^"]+)"', html):
            assert (built / script).exists(), script


def pages_are_accessible(built):
    for file in built.glob("*.html"):
        html = file.read_text(encoding="utf-8")
        text = without_scripts(html)
        assert '<html lang="en">' in text and "<main" in text and "<header" in text and 'href="#main"' in text
        assert len(re.findall(r"<h1\b", text)) == 1, file.name
        for image in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'alt="[^"]+"', image) and re.search(r'width="\d+"', image) and re.search(r'height="\d+"', image), image[-200:]
        for head in re.findall(r"<th\b[^>]*>", re.sub(r'<div class="output-html.*?</div>', "", text, flags=re.S)):
            assert "scope=" in head, (file.name, head)


# --- a small record ----------------------------------------------------------------------------------


def test_every_link_resolves_and_nothing_is_loaded_from_elsewhere(folder):
    links_are_sound(report.build(folder).parent)


def test_pages_are_accessible(folder):
    pages_are_accessible(report.build(folder).parent)


def test_front_page_holds_the_records_numbers(folder):
    front = report.build(folder).read_text(encoding="utf-8")
    for row in summary.glance_table(folder):
        for cell in row:
            assert re.search(rf"<t[dh][^>]*>{re.escape(cell)}</t", front), cell
    assert "10.00 (7.25)" in front and "150.0 (170.0)" in front and "10.50</td>" in front
    for row in summary.sets_table(folder):
        assert all(f">{cell}</t" in front for cell in row)
    assert "(1.50 to 9.50)" in front and "of this run over 2 seeds of its training" in front and "one voice 1.25 to 1.75" in front
    assert (
        "By LSD the trained U-Net beats the best control, shaped noise: 14.00 against 14.50 (log10). Of the 2 test" in front
        and "Kaiser fast on 2, than shaped noise on 1." in front
    )
    assert ">shaped noise</th>" in front and "The last three columns are controls" in front
    assert "U-Net, this run: 7 training steps on 0.05 hours of crops of voices, the lowest validation loss at step 7, the last one" in front
    assert "U-Net, trained: 9,000 training steps on 12 hours of crops of a+b, the lowest validation loss at step 8,000; " in front
    assert "speaks of the trained U-Net." in front and "judged on 2 of these" in front
    counts = re.findall(r'<th scope="row">([^<]+)</th><td>[^<]*</td><td class="right">(\d+)</td><td class="right">(\d+)</td>', front)
    assert dict((v, (a, b)) for v, a, b in counts)["all"] == ("2", "1")
    assert front.count('class="verdict ') == 3 and "interval 1.235 to 2" in front and "Section 1.1" in front and "Appendix A" in front
    for fact in ("abc123", "3.11.7", "A processor, 2 cores", "f" * 64, "MIT", "https://voices.example/", "3 utterances", "2.0 hours",
                 "2030-01-02 03:04:05 UTC", "1 min 1 s", "1 min 4 s"):  # fmt: skip
        assert fact in front, fact


def test_the_only_u_net_of_a_record_needs_no_adjective(folder):
    for name in ("table-2.csv", "table-2-sets.csv"):
        table = pd.read_csv(folder / name)
        table[table.system != summary.PILOT].to_csv(folder / name, index=False)
    assert summary.systems(folder)["unet"] == "U-Net" and summary.PILOT not in summary.systems(folder)
    assert [row[3:5] for row in (summary.glance_table(folder)[0], summary.sets_table(folder)[0])] == [
        ["U-Net", "shaped noise"],
        ["U-Net", "shaped noise"],
    ]
    assert summary.against_controls(folder).startswith("By LSD the U-Net beats")


def test_text_of_the_record_is_escaped(folder):
    built = report.build(folder).parent
    for page in built.glob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8"), page.name
    front = (built / "index.html").read_text(encoding="utf-8")
    assert "A corpus &lt;of&gt; voices" in front and "The &amp; second" in front
    assert front.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp;") >= 4  # a title, its alternative text, two claims


def test_figures_say_what_they_are_and_where_they_are(folder):
    front = report.build(folder).read_text(encoding="utf-8")
    first, second = re.findall(r"<figure.*?</figure>", front, re.S)
    assert 'src="../figure-1.1.png"' in first and 'onerror="takeCopies(this)"' in first and 'width="120" height="80"' in first
    assert "<b>Figure 1.1.</b>" in first and 'href="01_first.html#cell-4"' in first and 'href="../figure-1.1.png"' in first
    assert "<b>" not in second and 'alt="Two"' in second
    for name in ("figure-1.1.png", "figure-odd.png"):
        assert (folder / "report" / "figures" / name).read_bytes() == (folder / name).read_bytes()


def test_a_text_for_a_picture_comes_from_the_notebook_then_the_figure_then_the_heading(folder):
    page = chapters.convert(folder / "notebooks" / "01_first.ipynb", {4: ["only one"], 5: ["saved as a figure"]})
    assert page.alts == {4: ["Figure of the section '1. Main'", f"by hand {NASTY}"], 5: ["saved as a figure"]}
    assert re.findall(r'width="(\d+)"', page.body) == ["30", "31", "40"]


def test_latex_reaches_the_page_as_written(folder):
    report.build(folder)
    html = (folder / "report" / "01_first.html").read_text(encoding="utf-8")
    assert LATEX.replace("&", "&amp;").replace("<", "&lt;") in html
    assert "$x_1*y_2*z &lt; 1$" in html
    assert 'src="assets/tex-svg.js"' in html and '"pre", "code"' in html
    assert re.search(r'<pre class="output">costs \$5 &lt; \$6 &lt;b&gt;', html)
    assert 'class="output-html scroll no-maths"' in html and 'ignoreHtmlClass: "no-maths"' in html
    assert (folder / "report" / "assets" / "tex-svg.js").stat().st_size > 1e6
    assert "Apache" in (folder / "report" / "assets" / "README.txt").read_text()
    assert "tex-svg" not in (folder / "report" / "index.html").read_text(encoding="utf-8")


def test_a_notebooks_page(folder):
    report.build(folder)
    html = (folder / "report" / "01_first.html").read_text(encoding="utf-8")
    assert re.findall(r"<summary>([^<]+)</summary>", html) == ["On this page", *chapters.COLLAPSED.values(), chapters.SET_UP]
    assert 'let a = 1 < 2 && "$";' in html  # an output's own script is passed on as it is
    assert html.count('<div class="scroll"><table>') == 2
    assert '<h2 id="sec-1-main">' in html and '<h2 id="sec-1-main-2">' in html and html.count('href="#sec-1-main-2"') == 2
    assert '<th class="right" scope="col">' in html or '<th scope="col" class="right">' in html
    text = without_scripts(html)
    assert text.count('rel="next"') == 2 and 'rel="prev"' not in text
    assert "Chapter 01" in html and "A <em>first</em> look" in html
    second = without_scripts((folder / "report" / "02_second.html").read_text(encoding="utf-8"))
    assert second.count('rel="prev"') == 2 and 'rel="next"' not in second and "2 &lt; 3" in second


def test_the_same_record_gives_the_same_bytes_and_a_rebuild_replaces(folder):
    def content():
        return {f.relative_to(folder).as_posix(): f.read_bytes() for f in (folder / "report").rglob("*") if f.is_file()}

    report.build(folder)
    before = content()
    (folder / "report" / "old.html").write_text("of an older run")
    (folder / "report" / "index.html").write_text("changed")
    report.build(folder)
    assert content() == before
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == ["notebooks", "report", "tables"]


def test_a_build_that_fails_leaves_the_older_report(folder, monkeypatch):
    report.build(folder)
    before = (folder / "report" / "index.html").read_bytes()
    monkeypatch.setattr(report, "front_page", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.build(folder)
    assert (folder / "report" / "index.html").read_bytes() == before
    assert not (folder / "report.new").exists()


def test_a_section_to_listen_has_its_place(folder, monkeypatch):
    assert report.listening(folder, {"artifacts": []}) == ""
    monkeypatch.setattr(report, "listening", lambda *_: '<section><h2 id="listening">Listen</h2></section>')
    front = report.build(folder).read_text(encoding="utf-8")
    assert front.index('id="result"') < front.index('id="listening"') < front.index('id="notebooks"')
    assert front.count('href="#listening"') == 2


def test_the_first_listening_example_is_played_as_it_was_saved(folder):
    """Its versions alone, in their order, the bytes of the files, and the gain that they were saved with."""
    artifacts = []
    for speaker in ("one", "two"):
        for k, version in enumerate(("input, 22.05 kHz", "U-Net")):
            name = f"clips/{speaker}-{k}.flac"
            (folder / "clips").mkdir(exist_ok=True)
            (folder / name).write_bytes(player.flac_bytes(0.1 * np.sin(np.arange(22050) / (10 + k)), 44100))
            title = f"Speaker {speaker}: {version}"
            artifacts.append({"id": f"clip-{speaker}-{k}", "title": title, "files": [name, "clips/SOURCE.md"], "gain_db": 3.25})
    html = report.listening(folder, {"artifacts": artifacts})
    assert re.findall(r'data-label="([^"]+)"', html) == ["input, 22.05 kHz", "U-Net"]
    assert "One gain for all versions: +3.2 dB" in html and 'aria-label="Speaker one"' in html and "class Player" in html
    blobs = [base64.b64decode(b) for b in re.findall(r"base64,([A-Za-z0-9+/=]+)", html)]
    assert blobs == [(folder / f"clips/one-{k}.flac").read_bytes() for k in range(2)]


# --- errors ---------------------------------------------------------------------------------------------


def test_a_missing_or_broken_record_is_told_in_one_line(folder, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOSR_HOME", str(folder.parent.parent))
    assert report.main([]) == 1
    assert re.fullmatch(r"there is no record in figures/quick: run \./run_all\.sh --profile quick .*\n", capsys.readouterr().err.lstrip())
    (folder / "figure-1.1.png").unlink()
    assert report.main(["small"]) == 1
    assert re.fullmatch(
        r"the record in figures/small is broken, figure-1\.1\.png is missing: choose a record of smoke, .*\n",
        capsys.readouterr().err.lstrip(),
    )
    for damage in ("{", "[]", "{}"):
        (folder / "manifest.json").write_text(damage)
        assert report.main(["small"]) == 1
        assert (
            capsys.readouterr().err
            == "\nmanifest.json of figures/small is damaged: choose a record of smoke, quick, overnight, coursework\n"
        )
    with pytest.raises(SystemExit) as end:
        report.main(["--help"])
    assert end.value.code == 0 and "usage: " in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        report.main(["a", "b"])
    assert end.value.code == 2 and "usage: " in capsys.readouterr().err
    assert not (folder / "report").exists()


def test_the_command_says_where_the_report_is(folder, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOSR_HOME", str(folder.parent.parent))
    assert report.main(["small"]) == 0
    assert re.fullmatch(r"figures/small/report/index\.html: \d+\.\d MB, \d+\.\d s\n", capsys.readouterr().out)


def test_a_file_that_was_changed_or_is_no_notebook(folder):
    (folder / "table-2.csv").write_text("a\n")
    with pytest.raises(ReportError, match=r"table-2\.csv was changed"):
        report.build(folder)
    (folder / "broken.ipynb").write_text("{}")
    with pytest.raises(ReportError, match=r"broken\.ipynb cannot be read"):
        chapters.convert(folder / "broken.ipynb", {})


def test_without_mathjax_it_says_how_to_get_it(folder, monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)
    with pytest.raises(ReportError, match=r"run \./run_all\.sh once"):
        report.build(folder)
    assert not (folder / "report").exists() and not (folder / "report.new").exists()


# --- parts ----------------------------------------------------------------------------------------------


def test_cells_of_tables(tmp_path):
    text = "name_of,n,x,y\na | b <i>,1,0.5,1e-05\n,,inf,0\nc,3,-2,\n"
    (tmp_path / "t.csv").write_text(text)
    table = pages.table_of(tmp_path / "t.csv")
    assert table.head == ["name of", "n", "x", "y"] and table.numeric == [False, True, True, True]
    assert table.rows == [["a | b <i>", "1", "0.500", "1.0e-05"], ["", "", "inf", "0.000"], ["c", "3", "-2.000", ""]]


def test_names_in_tables_are_words(tmp_path):
    (tmp_path / "t.csv").write_text('system,snr_db,slowest_round\n"scipy resample_poly, kaiser_fast",1,2\nunet_bfloat16,3,4\n')
    table = pages.table_of(tmp_path / "t.csv")
    assert table.head == ["system", "SNR (dB)", "slowest round"]
    assert [row[0] for row in table.rows] == ["scipy resample_poly, Kaiser fast", "U-Net, trained, bfloat16"]


@committed
def test_the_front_page_of_the_record_speaks_in_words():
    """Every table of the committed record: no name of a variable but that of SciPy's function."""
    for file in QUICK.glob("table-*.csv"):
        table = pages.table_of(file)
        cells = [*table.head, *(c for row in table.rows for c in row)]
        assert [c for c in cells if "_" in c.replace("resample_poly", "")] == [], file.name


def test_small_things():
    assert pages.slug("10. How much noise do $b$ bits <em>make</em>?") == "sec-10-how-much-noise-do-b-bits-make"
    assert [report.label(i) for i in ("figure-1.10", "table-2-fair", "figure-data-crops", "figure-listening-be")] == [
        "Figure 1.10", "Table 2 (fair)", "", ""]  # fmt: skip
    assert [report.duration(s) for s in (6.9, 59.6, 321.3)] == ["7 s", "1 min 0 s", "5 min 21 s"]
    assert pages.png_size(png(7, 5)) == (7, 5)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return float(np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_reach_the_contrast_of_wcag_aa(scheme):
    css = (pages.WEB / "report.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part)) for part in re.findall(r":root \{(.*?)\}", css, re.S))
    assert set(light) == set(dark)
    colours = light if scheme == "light" else dark
    text = {"page": ("text", "quiet", "link", "accent"), "card": ("text", "link"),
            "code": ("text", "key", "string", "number", "comment", "name")}  # fmt: skip
    for background, foregrounds in text.items():
        for foreground in foregrounds:
            a, b = sorted((luminance(colours[background]), luminance(colours[foreground])))
            assert (b + 0.05) / (a + 0.05) >= 4.5, (background, foreground)


# --- the record of the repository ---------------------------------------------------------------------


@committed
def test_the_committed_front_page_is_what_the_record_gives(quick):
    assert (quick / "index.html").read_bytes() == (QUICK / "report" / "index.html").read_bytes(), "run python -m audiosr_lib.study.report"


@committed
def test_report_of_the_committed_record(quick):
    manifest = files.read_json(QUICK / "manifest.json")
    links_are_sound(quick)
    pages_are_accessible(quick)
    front = (quick / "index.html").read_text(encoding="utf-8")
    assert all(f">{cell}</t" in front for row in summary.glance_table(QUICK) for cell in row)
    shown = re.findall(r'<figure id="([^"]+)"', front)
    assert shown == [a["id"] for a in manifest["artifacts"] if a["id"].startswith("figure-")] and len(shown) > 20
    assert {f"{f.stem}.html" for f in paths.notebooks()} == {f.name for f in quick.glob("[0-9]*.html")}
    table = summary.claims_table(QUICK)
    assert f"{len(table)} claims" in front and front.count('class="verdict ') == len(table) + len(summary.headline(table))
    for file in (QUICK / "notebooks").glob("*.ipynb"):
        outputs = [o for c in nbformat.read(file, as_version=4).cells if c.cell_type == "code" for o in c.outputs]
        text = (quick / f"{file.stem}.html").read_text(encoding="utf-8")
        kinds = ('<pre class="output">', '<div class="picture">', '<div class="output-markdown">', '<div class="output-html ')
        assert sum(text.count(k) for k in kinds) == len(outputs), file.name
    for file in quick.glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert str(paths.REPOSITORY) not in text and "/home/" not in text and "/site-packages/" not in text, file.name


@committed
def test_every_dollar_of_the_committed_notebooks_prose_is_paired(quick):
    """What the browser is left to set: outside of code and outputs, dollars come in pairs, and no LaTeX was taken for Markdown."""
    for file in quick.glob("[0-9]*.html"):
        text = without_scripts(file.read_text(encoding="utf-8"))
        text = re.sub(r'<pre\b.*?</pre>|<code\b.*?</code>|<div class="output-html.*?</div>', "", text, flags=re.S)
        text = text.replace("$$", "$")
        assert text.count("$") % 2 == 0, file.name
        for equation in text.split("$")[1::2]:
            assert not re.search(r"<\w|</", equation), (file.name, equation[:100])
