"""A real browser for pages that the study makes: Debian's Chromium, or Chrome, driven by Playwright.

Without one these tests are skipped, with a word that says so; with AUDIOSR_BROWSER=required they fail instead. CHROMIUM names the program.
"""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required")  # fmt: skip
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# Elements that reach beyond the page's right edge, unless something around them scrolls or clips.
OVERFLOWING = """() => [...document.querySelectorAll("body *")].filter((e) => {
  if (!e.checkVisibility() || e.closest("svg, mjx-assistive-mml, .visually-hidden, .skip-link, .skip")) return false;
  if (e.getBoundingClientRect().right <= document.documentElement.clientWidth + 0.5) return false;
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
    if (getComputedStyle(p).overflowX !== "visible") return false;
  return true;
}).map((e) => `${e.tagName}.${e.className}`).slice(0, 10)"""


def hurdles(page) -> list[str]:
    """What axe-core finds against WCAG 2.1 AA (contrast, alternative texts, names, landmarks, ...), one line for each element.

    MathJax's formulas are left out: thousands of paths each, which MathJax describes itself.
    """
    from axe_playwright_python.sync_playwright import Axe

    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}
    found = Axe().run(page, context={"exclude": [["mjx-container"]]}, options=rules).response["violations"]
    return [f"{v['id']}: {n['html'][:120]} {n.get('failureSummary', '')[:200]}" for v in found for n in v["nodes"]]


def chromium() -> str | None:
    """The installed browser's path, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser():
    path = chromium()
    if path is None:
        message = f"no browser found ({', '.join(NAMES)}). Debian: apt install chromium. Or name one by CHROMIUM=..."
        pytest.fail(message) if os.environ.get("AUDIOSR_BROWSER") == "required" else pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture
def open_page(browser):
    """open_page(url or path, **context options) -> page, without a network; afterwards no error and no outside request may have been."""
    contexts, problems = [], []

    def open_(where, allowed=("file:", "data:", "blob:"), expected=(), **options):
        context = browser.new_context(**({"viewport": WIDE} | options))
        contexts.append(context)
        context.set_offline(not any(a.startswith("http") for a in allowed))
        page = context.new_page()

        def heard(message):
            if message.type in ("error", "warning") and not any(e in message.text for e in expected):
                problems.append(f"console: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("request", lambda r: None if r.url.startswith(tuple(allowed)) else problems.append(f"request: {r.url[:200]}"))
        page.goto(where.as_uri() if isinstance(where, Path) else where)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []
