"""What the browser tests share: which browser, which sizes, what counts as a fault of a page."""

import os
import shutil

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
