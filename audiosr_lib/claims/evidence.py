"""The numbers that judges read: the findings of notebook 11 and the CSV files of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    """The findings of a notebook, each with the cell that measured it, for data-findings.csv."""

    notebook: str
    rows: list[dict] = field(default_factory=list)

    def add(self, name: Finding, value: float, note: str = "") -> None:
        """Store a finding. Raises ValueError if the name is not declared or already stored, or the value is not finite."""
        if name not in set(Finding):
            raise ValueError(f"the finding {name} is not declared: add it to audiosr_lib/claims/findings.py")
        if any(r["name"] == name for r in self.rows):
            raise ValueError(f"the finding {name} is already stored: store each finding once")
        if not np.isfinite(float(value)):
            raise ValueError(f"the finding {name} is {value}: store a finite number")
        self.rows.append({"name": str(name), "value": float(value), "note": note, "cell": f"{self.notebook} [{current_cell()}]"})

    def frame(self) -> pd.DataFrame:
        """Return a table with one row per finding."""
        return pd.DataFrame(self.rows)


class Evidence:
    """The numbers in the CSV files of a record; `reads` collects every number that a judge asks for.

    Parameters
    ----------
    folders : folders to search for a file; the first one that has it wins.
    changed : {(file, column, row): value}, numbers that replace those of the files.
    """

    def __init__(self, folders: Path | Sequence[Path], changed: dict[tuple[str, str, int], float] | None = None) -> None:
        self.folders = [folders] if isinstance(folders, Path) else list(folders)
        self.changed = changed or {}
        self.reads: dict[tuple[str, str, int], float] = {}
        self._frames: dict[str, pd.DataFrame] = {}

    def frame(self, file: str) -> pd.DataFrame:
        """Return a CSV file of the record as a DataFrame. Raises NotPrepared if none of the folders has it."""
        if file not in self._frames:
            found = [f / file for f in self.folders if (f / file).exists()]
            if not found:
                raise NotPrepared(f"the tables of this run lack {file}: run notebooks 07 to 11 of its profile first")
            self._frames[file] = pd.read_csv(found[0])
        return self._frames[file]

    def _select(self, file: str, where: dict) -> pd.DataFrame:
        frame = self.frame(file)
        for column, value in where.items():
            frame = frame[frame[column] == value]
        return frame

    def numbers(self, file: str, column: str, **where: str) -> np.ndarray:
        """Return a column of the rows that `where` selects (default: all rows). Raises KeyError if there are none."""
        selected = self._select(file, where)
        if selected.empty:
            raise KeyError(f"{file} has no row with {where}")
        found = {(file, column, row): float(value) for row, value in selected[column].items()}
        found |= {key: self.changed[key] for key in found if key in self.changed}
        self.reads |= found
        return np.array(list(found.values()))

    def number(self, file: str, column: str, **where: str) -> float:
        """Return one number. Raises KeyError unless `where` selects exactly one row."""
        found = self.numbers(file, column, **where)
        if len(found) != 1:
            raise KeyError(f"{file} has {len(found)} rows with {where}: exactly one is needed")
        return float(found[0])

    def finding(self, name: Finding) -> float:
        """Return the value of a finding of notebook 11."""
        return self.number(FINDINGS, "value", name=str(name))

    def has(self, name: Finding) -> bool:
        """Return whether a finding that is 1 for yes and 0 for no is 1."""
        return self.finding(name) > 0.5

    @cached_property
    def _cells(self) -> dict[str, str]:
        cells = {}
        for folder in reversed(self.folders):  # so that the first folder wins
            for part in (*sorted((folder / "fragments").glob("*.json")), *folder.glob("manifest.json")):
                for a in files.read_json(part)["artifacts"]:
                    cells |= dict.fromkeys(a["files"], f"{a['notebook']} [{a.get('cell', 0)}]")
        return cells

    def cell(self, file: str) -> str:
        """Return the notebook and cell that made a file, for instance "10_results_tables [22]"."""
        return self._cells.get(file, "")

    def cell_of_finding(self, name: Finding) -> str:
        """Return the notebook and cell that measured a finding."""
        (cell,) = self._select(FINDINGS, {"name": str(name)})["cell"]
        return str(cell)
