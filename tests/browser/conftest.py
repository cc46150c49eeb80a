"""A real browser for pages that the study makes: Debian's Chromium, or Chrome, driven by Playwright.

Without one these tests are skipped, with a word that says so; with AUDIOSR_BROWSER=required they fail instead. CHROMIUM names the program.
"""

import os
from pathlib import Path

import pytest
from browsing import NAMES, OPTIONS, WIDE, chromium


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
