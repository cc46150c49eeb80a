"""The report of a run in a real browser: of the run that AUDIOSR_REPORT names, else the committed record's, made anew."""

import base64
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile as sf
from browsing import OVERFLOWING, PHONE, hurdles
from test_player_page import READY

from audiosr_lib.base import paths
from audiosr_lib.study import report

CHAPTERS = [p.stem for p in paths.notebooks()]
MATHS_DONE = "window.MathJax?.startup?.promise?.then(() => true)"
LOADED = """async () => {
  const images = [...document.images];
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map((i) => i.decode().catch(() => null)));
  return images.filter((i) => !i.naturalWidth).map((i) => i.src.slice(0, 100));
}"""


@pytest.fixture(scope="session")
def quick(tmp_path_factory) -> Path:
    """The committed record's report, made anew beside a copy of it."""
    folder = tmp_path_factory.mktemp("record") / "quick"
    shutil.copytree(paths.REPOSITORY / "figures" / "quick", folder, ignore=shutil.ignore_patterns("report"))
    return report.build(folder).parent


@pytest.fixture(scope="session")
def folder(request) -> Path:
    """The report's folder."""
    named = os.environ.get("AUDIOSR_REPORT")
    return Path(named) if named else request.getfixturevalue("quick")


def formulas(notebook: Path) -> int:
    """How many formulas a notebook's Markdown holds, in cells and outputs, code left aside."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
    texts += ["".join(o["data"]["text/markdown"]) for c in cells for o in c.get("outputs", []) if "text/markdown" in o.get("data", {})]
    text = "\n\n".join(re.sub(r"```.*?```|`[^`\n]*`", "", t, flags=re.DOTALL) for t in texts)
    displayed, text = len(re.findall(r"\$\$.+?\$\$", text, flags=re.DOTALL)), re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL)
    return displayed + len(re.findall(r"(?<!\\)\$[^$\n]+(?:\n[^$\n]+)*(?<!\\)\$", text))


@pytest.mark.parametrize("name", ["index", *CHAPTERS])
def test_a_page_is_whole(folder, name, open_page):
    """With the network cut: pictures, formulas and sound are there; nothing overflows, also on a phone in the dark; WCAG AA."""
    file = folder / f"{name}.html"
    page = open_page(file)
    page.wait_for_function(READY)
    assert page.evaluate(LOADED) == []
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    if name != "index":
        page.wait_for_function(MATHS_DONE)
        set_, there = page.locator("mjx-container:not(.contents *)").count(), formulas(folder.parent / "notebooks" / f"{name}.ipynb")
        assert set_ == there and page.locator("mjx-merror, [data-mjx-error]").count() == 0
    decoded = page.evaluate(
        "[...document.querySelectorAll('.audiosr-player')].map((r) => r.player.versions.map((v) => [v.sr, v.x.length]))"
    )
    blobs = [base64.b64decode(b) for b in re.findall(r"data:audio/flac;base64,([A-Za-z0-9+/=]+)", file.read_text(encoding="utf-8"))]
    stored = [sf.info(io.BytesIO(b)) for b in blobs]
    flat = [v for player in decoded for v in player]
    assert [v[0] for v in flat] == [s.samplerate for s in stored]
    assert [v[1] / 44100 for v in flat] == pytest.approx([s.duration for s in stored], abs=1e-3)
    assert page.evaluate("[...document.querySelectorAll('.audiosr-player')].every((r) => r.dataset.audiosr === 'ready')")
    assert hurdles(page) == []
    for viewport in (page.viewport_size, PHONE):
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert page.evaluate(OVERFLOWING) == []
    if name in ("index", "02_stft_and_hann_window", "10_results_tables"):  # one style serves all chapters: in the dark, too
        assert hurdles(page) == []


def test_only_the_chapters_with_sound_carry_the_players_code(folder):
    for name in CHAPTERS:
        text = (folder / f"{name}.html").read_text(encoding="utf-8")
        assert (text.count("class Player") > 0) == ("audiosr-player" in text.partition("<main")[2].replace("class Player", "")), name


def test_one_can_walk_through_all_pages(folder, open_page):
    """From the front page by the links to the next one, and back; the skip link is the first thing that Tab reaches."""
    page = open_page(folder / "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.click(f"main a[href='{CHAPTERS[0]}.html'] >> nth=0")
    for name in CHAPTERS[1:]:
        page.click("a[rel=next] >> nth=0")
        assert page.url.endswith(f"/{name}.html")
    assert page.locator("a[rel=next]").count() == 0
    page.click("a[rel=prev] >> nth=0")
    assert page.url.endswith(f"/{CHAPTERS[-2]}.html")
    page.click(".home >> nth=0")
    assert page.url.endswith("/index.html")


def test_the_contents_mark_where_the_reader_is(folder, open_page):
    page = open_page(folder / f"{CHAPTERS[1]}.html")
    page.wait_for_function(MATHS_DONE)
    marked = "[...document.querySelectorAll('.contents [aria-current]')].map((a) => a.hash.slice(1)).join()"
    assert page.evaluate(marked) == ""  # at the title
    anchors = page.evaluate("[...document.querySelectorAll('.contents.wide a')].map((a) => a.hash.slice(1))")
    for anchor in (anchors[2], anchors[-3], anchors[1]):
        page.evaluate("id => document.getElementById(id).scrollIntoView()", anchor)
        page.wait_for_function(f"{marked} === {anchor!r}")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function(f"{marked} === {anchors[-1]!r}")
    assert page.evaluate("document.querySelector('[aria-current]').getBoundingClientRect().bottom <= innerHeight")


def test_the_report_can_be_handed_over_alone(folder, open_page, tmp_path):
    """Without the record beside it the front page shows its own copies; the browser notes the files that it did not find."""
    alone = shutil.copytree(folder, tmp_path / "handed over")
    page = open_page(alone / "index.html", expected=("ERR_FILE_NOT_FOUND",))
    page.wait_for_function(READY)
    page.evaluate(LOADED)
    page.wait_for_timeout(500)
    assert page.evaluate(LOADED) == [] and page.locator("main img").count() >= 17


def test_it_prints(folder, open_page):
    page = open_page(folder / f"{CHAPTERS[0]}.html")
    page.wait_for_function(READY)
    page.wait_for_function(MATHS_DONE)
    page.emulate_media(media="print")
    assert not page.is_visible(".contents.wide") and page.is_visible("main h1")
    assert page.pdf()[:5] == b"%PDF-"


def test_without_scripts_the_text_stays(folder, open_page):
    page = open_page(folder / "02_stft_and_hann_window.html", java_script_enabled=False)
    assert "$" in page.inner_text("main") and page.locator("audio:visible").count() > 0


def test_a_quick_report_is_small(quick):
    assert sum(f.stat().st_size for f in quick.rglob("*") if f.is_file()) < 25e6
