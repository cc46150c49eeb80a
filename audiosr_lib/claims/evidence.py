"""Numbers of a run that claims are judged by: findings of notebook 11, and the CSV files of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from audiosr_lib.base import files
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.base.kernel import current_cell
from audiosr_lib.claims.findings import Finding

FINDINGS = "data-findings.csv"


@dataclass
class Findings:
    """Named numbers that a notebook measures, each with the cell that measured it; they become data-findings.csv."""

    notebook: str
    rows: list[dict] = field(default_factory=list)

    def add(self, name: Finding, value: float, note: str = "") -> None:
        """Store a number; ValueError for a name that is not declared or that is taken, or a value that is not finite."""
        if name not in set(Finding):
            raise ValueError(f"the finding {name} is not declared in claims/findings.py")
        if any(r["name"] == name for r in self.rows):
            raise ValueError(f"there is a finding called {name} already")
        if not np.isfinite(float(value)):
            raise ValueError(f"the finding {name} is {value}: store a finite number")
        self.rows.append({"name": str(name), "value": float(value), "note": note, "cell": f"{self.notebook} [{current_cell()}]"})

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)


class Evidence:
    """Numbers of a record's CSV files; every number that a judge asks for is noted in `reads`.

    Parameters
    ----------
    folders : where to look for a file, first found first: the record in the making, a published one.
    changed : {(file, column, row): value}, numbers to be taken in place of the file's; the tests use it.
    """

    def __init__(self, folders: Path | Sequence[Path], changed: dict[tuple[str, str, int], float] | None = None) -> None:
        self.folders = [folders] if isinstance(folders, Path) else list(folders)
        self.changed = changed or {}
        self.reads: dict[tuple[str, str, int], float] = {}
        self._frames: dict[str, pd.DataFrame] = {}
        self._cells: dict[str, str] | None = None

    def frame(self, file: str) -> pd.DataFrame:
        """A CSV file of the record; NotPrepared if it is in none of the folders."""
        if file not in self._frames:
            found = [f / file for f in self.folders if (f / file).exists()]
            if not found:
                raise NotPrepared(f"there is no {file} among the tables of this run: run notebooks 07 to 11 of its profile first")
            self._frames[file] = pd.read_csv(found[0])
        return self._frames[file]

    def _rows(self, file: str, where: dict) -> list[int]:
        frame = self.frame(file)
        mask = np.ones(len(frame), dtype=bool)
        for column, value in where.items():
            mask &= (frame[column] == value).to_numpy()
        return [int(i) for i in np.nonzero(mask)[0]]

    def numbers(self, file: str, column: str, **where: str) -> np.ndarray:
        """A column of the rows that `where` selects, all rows without it; KeyError if there is none."""
        rows = self._rows(file, where)
        if not rows:
            raise KeyError(f"{file} has no row with {where}")
        values = []
        for row in rows:
            key = (file, column, row)
            value = float(self.frame(file)[column].iloc[row])
            value = self.changed.get(key, value)
            self.reads[key] = value
            values.append(value)
        return np.array(values)

    def number(self, file: str, column: str, **where: str) -> float:
        """One number; KeyError unless `where` selects exactly one row."""
        found = self.numbers(file, column, **where)
        if len(found) != 1:
            raise KeyError(f"{file} has {len(found)} rows with {where}, one is wanted")
        return float(found[0])

    def finding(self, name: Finding) -> float:
        """A number that notebook 11 measured by the way."""
        return self.number(FINDINGS, "value", name=str(name))

    def has(self, name: Finding) -> bool:
        """Return whether a finding is 1: notebook 11 notes what a run has as 1 or 0."""
        return self.finding(name) > 0.5

    def cell(self, file: str) -> str:
        """Notebook and cell that made a file, "10_results_tables [22]"."""
        if self._cells is None:
            self._cells = {}
            for folder in reversed(self.folders):
                fragments = [files.read_json(f) for f in sorted((folder / "fragments").glob("*.json"))]
                manifest = [files.read_json(folder / "manifest.json")] if (folder / "manifest.json").exists() else []
                for a in (a for part in fragments + manifest for a in part["artifacts"]):
                    self._cells |= {name: f"{a['notebook']} [{a.get('cell', 0)}]" for name in a["files"]}
        return self._cells.get(file, "")

    def cell_of_finding(self, name: Finding) -> str:
        """Return notebook and cell that measured a finding."""
        (row,) = self._rows(FINDINGS, {"name": str(name)})
        return str(self.frame(FINDINGS)["cell"].iloc[row])
