"""Executed notebooks as pages of the report: prose, code and outputs through nbconvert, in the report's own template.

nbconvert keeps LaTeX as it stands, and MathJax sets it in the browser. Headings get names that other pages can link to, a code cell
with the number N is ``#cell-N``, and every picture has a text that stands for it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from audiosr_lib.study import pages

COLLAPSED = {"parameters": "Parameters that can be changed", "injected-parameters": "Parameters of this run"}
SET_UP = "Set-up: imports and helpers"


@dataclass(frozen=True)
class Heading:
    """A heading of a page: its level 1 to 6, its text as HTML, the name to link to."""

    level: int
    text: Markup
    anchor: str


@dataclass
class Chapter:
    """A notebook; `body` is its HTML. `alts` holds, by number of the code cell, the texts that stand for its pictures, in order."""

    name: str
    title: str
    body: str = ""
    headings: list[Heading] = field(default_factory=list)
    alts: dict[int, list[str]] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """ "06" of 06_losses_and_metrics."""
        return self.name.partition("_")[0]

    @property
    def page(self) -> str:
        """Name of the page's file."""
        return f"{self.name}.html"


def title(notebook) -> str:
    """A notebook's first heading, without Markdown's marks and without a number before it; "untitled" if it has none."""
    for cell in notebook.cells:
        found = re.search(r"^# +(.+)$", cell.source, re.M) if cell.cell_type == "markdown" else None
        if found:
            return re.sub(r"^\d+\.\s+", "", re.sub(r"[*`]", "", found[1])).strip()
    return "untitled"


def pictures(notebook) -> Iterator[tuple[int, dict, str]]:
    """PNG outputs of a notebook as (number of the code cell, output, the heading that it stands under)."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ +(.+)$", cell.source, re.M) or [heading])[-1]
        elif cell.cell_type == "code":
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    yield cell.execution_count or 0, output, heading


def describe_pictures(notebook, titles: dict[int, list[str]]) -> dict[int, list[str]]:
    """Give every picture its size and, where the notebook has none, a text that stands for it.

    Parameters
    ----------
    notebook : changed in place. titles : of the figures that a code cell saved, by its number; taken if it shows as many pictures.

    Returns
    -------
    The texts by number of the code cell, in order.
    """
    by_cell: dict[int, list] = {}
    for number, output, heading in pictures(notebook):
        by_cell.setdefault(number, []).append((output, heading))
    alts: dict[int, list[str]] = {}
    for number, shown in by_cell.items():
        saved = titles.get(number, [])
        for i, (output, heading) in enumerate(shown):
            about = output.metadata.setdefault("image/png", {})
            about["width"], about["height"] = pages.png_size(base64.b64decode(output.data["image/png"]))
            about["alt"] = about.get("alt") or (saved[i] if len(saved) == len(shown) else f"Figure of the section {heading!r}")
            alts.setdefault(number, []).append(about["alt"])
    return alts


def collapse_set_up(notebook) -> None:
    """Mark the parameters and the first cell after them, which says nothing of the subject, so that the page shows them folded."""
    code = [c for c in notebook.cells if c.cell_type == "code"]
    tags = [set(COLLAPSED) & set(c.metadata.get("tags", [])) for c in code]
    for cell, found in zip(code, tags, strict=True):
        if found:
            cell.metadata["folded"] = COLLAPSED[found.pop()]
    first = next((c for c in code if "folded" not in c.metadata), None)
    if first is not None and any("folded" in c.metadata for c in code):
        first.metadata["folded"] = SET_UP


def _markdown(headings: list[Heading]):
    """A filter from Markdown to HTML that notes the headings it meets and gives each a name of its own."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def heading(self, text: str, level: int, **attrs: object) -> str:
            anchor, taken = pages.slug(text), {h.anchor for h in headings}
            anchor = next(a for a in (anchor, *(f"{anchor}-{n}" for n in range(2, 1000))) if a not in taken)
            headings.append(Heading(level, Markup(text), anchor))
            return f'<h{level} id="{anchor}">{text}</h{level}>\n'

        def table(self, text: str) -> str:
            return f'<div class="scroll"><table>\n{text}</table></div>\n'

        def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
            name, scope = ("th", ' scope="col"') if head and text else ("td", "")
            return f"<{name}{scope}{f' class={align}' if align else ''}>{text}</{name}>\n"

    return lambda source: MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(source)


def convert(file: Path, titles: dict[int, list[str]]) -> Chapter:
    """An executed notebook as a chapter.

    Parameters
    ----------
    file : the notebook. titles : as for `describe_pictures`.

    Raises
    ------
    ReportError : it is no notebook that nbformat can read.
    """
    import nbformat
    from nbconvert import HTMLExporter

    try:
        notebook = nbformat.read(file, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError, nbformat.reader.NotJSONError) as error:
        raise pages.ReportError(f"{file.name} cannot be read as a notebook ({error}): run ./run_all.sh to make the record anew") from None
    chapter = Chapter(file.stem, title(notebook))
    chapter.alts = describe_pictures(notebook, titles)
    collapse_set_up(notebook)
    exporter = HTMLExporter(template_name="basic", template_file=str(pages.WEB / "notebook.html.j2"))
    exporter.register_filter("markdown2html", _markdown(chapter.headings))
    chapter.body = Markup(exporter.from_notebook_node(notebook)[0])
    return chapter
