"""Convert executed notebooks to HTML pages of the report with nbconvert.

nbconvert leaves LaTeX unchanged; MathJax renders it in the browser. Every heading has an anchor, code cell N has the anchor ``#cell-N``,
and every picture has an alternative text.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from audiosr_lib.study import pages

COLLAPSED = {"parameters": "Parameters that can be changed", "injected-parameters": "Parameters of this run"}
SET_UP = "Set-up: imports and helpers"


@dataclass(frozen=True)
class Heading:
    """A heading of a page: level 1 to 6, text as HTML, and anchor."""

    level: int
    text: Markup
    anchor: str


@dataclass
class Chapter:
    """A notebook as a page: `body` is its HTML, `alts` maps a code cell's number to the alternative texts of its pictures, in order."""

    name: str
    title: str
    body: str = ""
    headings: list[Heading] = field(default_factory=list)
    alts: dict[int, list[str]] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The number in the name: "06" for 06_losses_and_metrics."""
        return self.name.partition("_")[0]

    @property
    def page(self) -> str:
        """The file name of the page."""
        return f"{self.name}.html"


def title(notebook) -> str:
    """Return the first heading without Markdown marks and leading number; "untitled" without a heading."""
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    found = re.search(r"^# +(.+)$", text, re.M)
    return re.sub(r"^\d+\.\s+", "", re.sub(r"[*`]", "", found[1])).strip() if found else "untitled"


def describe_pictures(notebook, titles: dict[int, list[str]]) -> dict[int, list[str]]:
    """Return the alternative texts of the pictures by code cell number, and write size and text into the notebook.

    Parameters
    ----------
    notebook : changed in place. An alternative text that it already has is kept.
    titles : titles of the figures that each code cell saved, by its number; used if the cell shows equally many pictures.
    """
    alts: dict[int, list[str]] = {}
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ +(.+)$", cell.source, re.M) or [heading])[-1]
            continue
        number = cell.get("execution_count") or 0
        pictures = [o for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
        saved = titles.get(number, [])
        for i, output in enumerate(pictures):
            about = output.metadata.setdefault("image/png", {})
            about["width"], about["height"] = pages.png_size(base64.b64decode(output.data["image/png"]))
            about["alt"] = about.get("alt") or (saved[i] if len(saved) == len(pictures) else f"Figure of the section {heading!r}")
            alts.setdefault(number, []).append(about["alt"])
    return alts


def collapse_set_up(notebook) -> None:
    """Mark the parameter cells and the first code cell after them, which holds imports, so that the page shows them folded."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    for cell in code:
        if tags := set(COLLAPSED) & set(cell.metadata.get("tags", [])):
            cell.metadata["folded"] = COLLAPSED[tags.pop()]
    others = [c for c in code if "folded" not in c.metadata]
    if 0 < len(others) < len(code):
        others[0].metadata["folded"] = SET_UP


class _Renderer(IPythonRenderer):
    """A renderer from Markdown to HTML that gives each heading a unique anchor and appends it to `headings`."""

    def __init__(self, headings: list[Heading]) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)
        self.headings = headings

    def heading(self, text: str, level: int, **attrs: object) -> str:
        anchor, taken = pages.slug(text), {h.anchor for h in self.headings}
        anchor = next(a for a in (anchor, *(f"{anchor}-{n}" for n in range(2, 1000))) if a not in taken)
        self.headings.append(Heading(level, Markup(text), anchor))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>\n{text}</table></div>\n'

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        name, scope = ("th", ' scope="col"') if head and text else ("td", "")
        return f"<{name}{scope}{f' class={align}' if align else ''}>{text}</{name}>\n"


def convert(file: Path, titles: dict[int, list[str]]) -> Chapter:
    """Return an executed notebook as a chapter; `titles` as in `describe_pictures`. Raises ReportError if nbformat cannot read the file."""
    try:
        notebook = nbformat.read(file, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise pages.ReportError(f"{file.name} cannot be read as a notebook ({error}): run ./run_all.sh to make the record again") from None
    chapter = Chapter(file.stem, title(notebook), alts=describe_pictures(notebook, titles))
    collapse_set_up(notebook)
    exporter = HTMLExporter(template_name="basic", template_file=str(pages.WEB / "notebook.html.j2"))
    exporter.register_filter("markdown2html", lambda text: MarkdownWithMath(renderer=_Renderer(chapter.headings)).render(text))
    chapter.body = Markup(exporter.from_notebook_node(notebook)[0])
    return chapter
