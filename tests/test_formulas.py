"""No formula of the coursework is left unchecked: each has a cell that runs it against an independent implementation."""

import ast
import json
import re
import tomllib

import pytest

from audiosr_lib.base import paths

FORMULAS = tomllib.loads((paths.REPOSITORY / "tests" / "formulas.toml").read_text(encoding="utf-8"))
PREFIX = "formula-"


def cells(notebook):
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def called(tree: ast.AST) -> set[str]:
    """Last parts of the names of everything a cell calls: {"stft", "allclose", ...}."""
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else f.id for f in calls if isinstance(f, (ast.Attribute, ast.Name))}


def fault(notebook_cells: list[dict], name: str, formula: dict) -> str | None:
    """What is missing for a formula in a chapter, or None."""
    prose = "\n".join("".join(c["source"]) for c in notebook_cells if c["cell_type"] == "markdown")
    mathematics = "\n".join(re.findall(r"\$\$(.+?)\$\$", prose, re.S))
    if formula["latex"] not in mathematics:
        return f"no displayed formula holds {formula['latex']}"
    checked = [c for c in notebook_cells if PREFIX + name in c["metadata"].get("tags", [])]
    if not checked:
        return f"no cell is tagged {PREFIX}{name}"
    for cell in checked:
        tree = ast.parse("".join(cell["source"]))
        if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            return f"the cell tagged {PREFIX}{name} asserts nothing"
        if formula["oracle"].rpartition(".")[2] not in called(tree):
            return f"the cell tagged {PREFIX}{name} does not call {formula['oracle']}"
    return None


@pytest.mark.parametrize("name", FORMULAS)
def test_each_formula_is_written_and_checked(name):
    formula = FORMULAS[name]
    (notebook,) = [n for n in paths.notebooks() if n.name[:2] == formula["chapter"]]
    assert fault(cells(notebook), name, formula) is None


def test_no_tag_without_a_formula():
    for notebook in paths.notebooks():
        for cell in cells(notebook):
            for tag in cell["metadata"].get("tags", []):
                assert not tag.startswith(PREFIX) or tag.removeprefix(PREFIX) in FORMULAS, (notebook.name, tag)


def test_a_missing_check_is_found():
    """The walk itself: it misses neither the formula, nor the tag, nor the assert, nor the oracle."""
    formula = {"latex": "y = x^2", "oracle": "numpy.square"}
    prose = {"cell_type": "markdown", "metadata": {}, "source": ["We square: $$y = x^2$$"]}

    def code(source, *tags):
        return {"cell_type": "code", "metadata": {"tags": list(tags)}, "source": [source]}

    good = code("assert np.square(3) == 9", "formula-square")
    assert fault([prose, good], "square", formula) is None
    assert "displayed" in fault([{**prose, "source": ["$y = x^2$"]}, good], "square", formula)
    assert "tagged" in fault([prose, code("assert np.square(3) == 9")], "square", formula)
    assert "asserts nothing" in fault([prose, code("np.square(3) == 9", "formula-square")], "square", formula)
    assert "does not call" in fault([prose, code("assert 3**2 == 9  # np.square(3)", "formula-square")], "square", formula)
