"""environment.yml pins exactly what is imported, and the machine runs what it pins."""

import ast
import contextlib
import importlib.metadata
import json
import re
import sys

from packaging.requirements import Requirement

from audiosr_lib import paths

SECTION = (paths.REPOSITORY / "environment.yml").read_text(encoding="utf-8").partition("- pip:\n")[2]
PINS = [Requirement(line) for line in re.findall(r"^ +- (.+)$", SECTION, re.M)]
OPTIONAL = [Requirement(line) for line in re.findall(r"^ +# - (.+)$", SECTION, re.M)]  # left out where they cannot be built
ACTIVE = {p.name for p in PINS if p.marker is None or p.marker.evaluate()}

# Packages that are used without an import of their name, and why.
NOT_IMPORTED = {
    "ipykernel": "the kernel python3",
    "jupyterlab": "where notebooks are read",
    "tensorboard": "torch.utils.tensorboard writes for it",
    "tabulate": "pandas writes Markdown with it",
    "nbval": "pytest's plug-in",
    "ruff": "lint, run by hand",
    "numba": "resampy compiles with it: its version decides speeds",
    "sphinx-mathjax-offline": "MathJax, which the report copies from it",
    "libsvm-official": "a part of ViSQOL",
}
COMES_WITH = {
    "packaging": "pytest",
    "tomllib": "Python",
    "google": "tensorboard",
    "nbclient": "papermill",
    "markupsafe": "jinja2",
    "PIL": "matplotlib",
    "psutil": "ipykernel",
}


def sources():
    for folder in ("audiosr_lib", "tests", "notebooks/solutions", "benchmarks"):
        for file in (paths.REPOSITORY / folder).rglob("*.py"):
            yield file.read_text(encoding="utf-8")
    for file in paths.notebooks():
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def imported() -> set[str]:
    names = set()
    for source in sources():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    local = {"audiosr_lib"} | {f.stem for folder in ("tests", "benchmarks") for f in (paths.REPOSITORY / folder).rglob("*.py")}
    return {n for n in names if n not in sys.stdlib_module_names} - local


def distribution(module: str) -> str:
    return {"IPython": "ipython", "visqol": "visqol-python", "axe_playwright_python": "axe-playwright-python"}.get(module, module)


def test_every_pin_is_exact():
    for pin in PINS + OPTIONAL:
        assert [s.operator for s in pin.specifier] == ["=="], pin


def test_pins_are_what_is_imported():
    wanted = {distribution(m) for m in imported()} - set(COMES_WITH)
    assert wanted - {p.name for p in PINS + OPTIONAL} == set(), "imported but not pinned"
    assert (ACTIVE | {p.name for p in OPTIONAL}) - wanted - set(NOT_IMPORTED) == set(), "pinned but not used"


def test_what_is_installed_is_what_is_pinned():
    for pin in PINS:
        if pin.marker is None or pin.marker.evaluate():
            assert pin.specifier.contains(importlib.metadata.version(pin.name)), pin


def test_what_is_optional_is_as_pinned_or_absent():
    assert {p.name for p in OPTIONAL} == {"visqol-python", "libsvm-official"}
    for pin in OPTIONAL:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            assert pin.specifier.contains(importlib.metadata.version(pin.name)), pin


def test_only_metrics_needs_what_is_optional():
    """And only inside functions, so that everything else works without it."""
    for file in (paths.REPOSITORY / "audiosr_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "visqol":
                assert file.name == "metrics.py" and node.col_offset > 0


def test_python_versions_agree():
    script = (paths.REPOSITORY / "run_all.sh").read_text(encoding="utf-8")
    assert "(3, 10) <= sys.version_info" in script
    assert 'requires-python = ">=3.10"' in (paths.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
