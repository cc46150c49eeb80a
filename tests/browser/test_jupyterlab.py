"""The player in a real JupyterLab page: with scripts where the notebook is trusted, as plain elements where it is not."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from browsing import chromium
from nbformat import sign, v4
from test_player_page import HEAR, PLAYER, SR, html, tone

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab with settings of its own and two notebooks, one signed; yields its address."""
    if chromium() is None:
        pytest.skip("no browser found")
    home, root = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    content = html(("one kHz", tone(1000, seconds=3), SR), ("two kHz", tone(2000, seconds=3), SR))
    later = html(("three kHz", tone(3000), SR), with_code=False)
    cells = [v4.new_markdown_cell("# A notebook")]
    for data in (content, later):
        shown = v4.new_output("display_data", data={"text/html": data, "text/plain": "a player"})
        cells.append(v4.new_code_cell("audio.players(versions)", execution_count=1, outputs=[shown]))
    for name in ("trusted", "untrusted"):
        notebook = v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata.name = name  # another signature
        nbformat.write(notebook, root / f"{name}.ipynb")
        if name == "trusted":
            sign.NotebookNotary(data_dir=str(home)).sign(nbformat.read(root / f"{name}.ipynb", 4))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {f"JUPYTER_{kind}_DIR": str(home) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}", "--LabApp.news_url=",
               "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    log = home / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, env=environment, cwd=root)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()[-2000:]
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture
def notebook(lab, open_page):
    """notebook(name) -> a page of JupyterLab with that notebook."""

    def notebook_(name: str):
        page = open_page(f"{lab}/lab/tree/{name}.ipynb?token={TOKEN}&reset", allowed=(lab, lab.replace("http", "ws"), "data:", "blob:"))
        page.wait_for_selector(".jp-Notebook .jp-OutputArea-output table", timeout=60_000, state="attached")
        return page

    return notebook_


def test_a_trusted_notebook_plays(notebook):
    page = notebook("trusted")
    page.wait_for_function("[...document.querySelectorAll('.audiosr-player')].map((r) => r.dataset.audiosr).join() === 'ready,ready'")
    page.locator(".audiosr-play").first.click()
    for key, hz in (("2", 2000), ("1", 1000)):
        before = page.evaluate(f"{PLAYER}.position()")
        page.keyboard.press(key)
        assert 0 <= page.evaluate(f"{PLAYER}.position()") - before < 0.5
        assert page.evaluate(f"async () => (await ({HEAR})({PLAYER}))") == pytest.approx(hz, abs=10)
    jump = page.evaluate(f"(() => {{ const p = {PLAYER}, t = p.position(); p.select(1); return p.position() - t; }})()")
    assert abs(jump) < 0.02


def test_keys_of_the_player_are_not_the_notebooks(notebook):
    """In JupyterLab's command mode m makes a cell Markdown, b adds one below, x cuts it out, and 1 makes a heading."""
    page = notebook("trusted")
    page.wait_for_function(f"document.querySelector('.audiosr-player')?.dataset.audiosr === 'ready' && {PLAYER}")
    page.wait_for_timeout(2000)  # JupyterLab gives the focus to the notebook when it has opened it
    page.focus(".audiosr-player")
    kinds = (
        "document.querySelectorAll('.jp-Notebook .jp-Cell').length + ' ' + document.querySelectorAll('.jp-Notebook .jp-CodeCell').length"
    )
    assert page.evaluate(kinds) == "3 2"
    for key in ("m", "b", "x", "1", "d", "d", "h", "o", "l", "Escape", "t", "a", "b", "x", "t"):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.closest('.audiosr-player') !== null"), f"the focus left the player after {key}"
    page.wait_for_timeout(500)
    assert page.evaluate(kinds) == "3 2"
    assert page.evaluate(f"{PLAYER}.band") and page.evaluate(f"{PLAYER}.half")


def test_an_untrusted_notebook_shows_plain_elements_that_play(notebook):
    page = notebook("untrusted")
    assert page.locator(".audiosr-ui").count() == 0 and page.evaluate("window.audiosrShared") is None
    assert page.is_visible("text=one kHz") and page.is_visible("text=One gain for all versions")
    page.wait_for_function("[...document.querySelectorAll('audio')].every((a) => a.readyState > 0)")
    assert page.eval_on_selector_all("audio", "(all) => all.map((a) => a.duration)") == pytest.approx([3, 3, 1], abs=0.01)
    page.locator("audio").first.evaluate("(a) => a.play()")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.1")
