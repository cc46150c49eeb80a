"""Parts of the report's pages: templates, tables, picture sizes and MathJax.

The templates, styles and scripts are in web/. Templates escape every value that is not `Markup`.
"""

from __future__ import annotations

import importlib.metadata
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd
from PIL import Image

from audiosr_lib.base.errors import StudyError
from audiosr_lib.base.labels import words

WEB = Path(__file__).with_name("web")
TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(WEB), autoescape=True, trim_blocks=True, lstrip_blocks=True,
    keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
)  # fmt: skip
MATHJAX_PACKAGE = "sphinx-mathjax-offline"  # contains MathJax 3.2.2, built for browsers
MATHJAX_NOTE = """tex-svg.js is MathJax 3.2.2 (https://www.mathjax.org), unchanged, as packed in the Python package {package} {version}.
MathJax is under the Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0). It sets the equations of the report's pages.
"""


class ReportError(StudyError):
    """A report that cannot be made; the message says what to do."""


def slug(text: str) -> str:
    """Return the anchor of a heading: "sec-" and the letters and digits of its HTML text, with hyphens between words."""
    plain = re.sub(r"<[^>]+>|&\w+;", "", text)
    return "sec-" + re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG file in pixels."""
    with Image.open(io.BytesIO(data)) as picture:
        return picture.size


@dataclass(frozen=True)
class Table:
    """A table of formatted cells; columns with `numeric` set are aligned right."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]


def shown(value: object, whole: bool = False) -> str:
    """Return a cell as text: "" for a missing value, otherwise three decimals, or scientific where three decimals would be zeros."""
    if isinstance(value, str):
        return words(value)
    if pd.isna(value):
        return ""
    if whole or not math.isfinite(value):
        return f"{value:.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.1e}"


def table_of(file: Path) -> Table:
    """Return a record's CSV file as a table. Columns of whole numbers have no decimals."""
    frame = pd.read_csv(file, keep_default_na=False, na_values=[""])
    numeric = [pd.api.types.is_numeric_dtype(frame[c]) for c in frame.columns]
    whole = [n and bool((frame[c].dropna() % 1 == 0).all()) for c, n in zip(frame.columns, numeric, strict=True)]
    rows = [[shown(v, w) for v, w in zip(row, whole, strict=True)] for row in frame.itertuples(index=False)]
    return Table([words(str(c)).replace("_", " ") for c in frame.columns], rows, numeric)


def copy_mathjax(folder: Path) -> None:
    """Write MathJax and a note on its licence into a folder. Raises ReportError if the package with MathJax is not installed."""
    try:
        script = next(f for f in importlib.metadata.files(MATHJAX_PACKAGE) or () if f.name == "tex-svg.js").read_binary()
    except (importlib.metadata.PackageNotFoundError, StopIteration, OSError):
        raise ReportError(f"the package {MATHJAX_PACKAGE} is missing: run ./run_all.sh once to install it") from None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tex-svg.js").write_bytes(script)
    note = MATHJAX_NOTE.format(package=MATHJAX_PACKAGE, version=importlib.metadata.version(MATHJAX_PACKAGE))
    (folder / "README.txt").write_text(note, encoding="utf-8")
