"""pyproject.toml declares what is imported, requirements.txt holds it exactly, and the environment is what they say."""

import ast
import contextlib
import importlib.metadata
import json
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from audiosr_lib.base import paths

PROJECT = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = (paths.REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines()
LOCK = [Requirement(line) for line in LINES if line and not line.startswith("#")]
HERE = {p.name: p for p in LOCK if p.marker is None or p.marker.evaluate()}
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = [f"3.{minor}" for minor in range(9, 17)]


def declared(*extras: str) -> dict[str, Requirement]:
    """Requirements of the project and of some of its extras by name; the project itself left out."""
    lines = PROJECT["dependencies"] + [line for extra in extras for line in EXTRAS[extra]]
    return {r.name: r for r in map(Requirement, lines) if r.name != PROJECT["name"]}


# Packages that are used without an import of their name, and why.
NOT_IMPORTED = {
    "ipykernel": "the kernel python3",
    "jupyterlab": "where notebooks are read",
    "tensorboard": "torch.utils.tensorboard writes for it",
    "tabulate": "pandas writes Markdown with it",
    "nbval": "pytest's plug-in",
    "pytest-xdist": "pytest's plug-in",
    "ruff": "lint, run by hand",
    "numba": "resampy compiles with it: its version decides speeds",
    "sphinx-mathjax-offline": "MathJax, which the report copies from it",
    "libsvm-official": "a part of ViSQOL",
}
DISTRIBUTIONS = {
    "IPython": "ipython", "PIL": "pillow", "visqol": "visqol-python", "axe_playwright_python": "axe-playwright-python",
}  # fmt: skip


def sources():
    """(is library or notebook, source) of every Python file and notebook."""
    for folder in ("audiosr_lib", "tests", "notebooks/solutions", "benchmarks"):
        for file in (paths.REPOSITORY / folder).rglob("*.py"):
            yield folder != "tests", file.read_text(encoding="utf-8")
    for file in paths.notebooks():
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield True, "".join(cell["source"])


def imported(only_library: bool) -> set[str]:
    names = set()
    for in_library, source in sources():
        if only_library and not in_library:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names |= {a.name.split(".")[0] for a in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.split(".")[0])
    local = {"audiosr_lib"} | {f.stem for folder in ("tests", "benchmarks") for f in (paths.REPOSITORY / folder).rglob("*.py")}
    return {DISTRIBUTIONS.get(n, n) for n in names if n not in sys.stdlib_module_names} - local


def test_what_is_imported_is_declared():
    with_report = declared("book", "perceptual")
    assert imported(only_library=True) - set(with_report) == set(), "imported by the library or a notebook but not declared"
    assert imported(only_library=False) - set(declared(*EXTRAS)) - {"google"} == set()  # google.protobuf comes with tensorboard
    assert set(declared(*EXTRAS)) - imported(only_library=False) - set(NOT_IMPORTED) == set(), "declared but not used"


def test_the_lock_is_exact_and_within_what_is_declared():
    for pin in LOCK:
        assert [s.operator for s in pin.specifier] == ["=="], pin
    for name, wanted in declared("book", "tests").items():
        (exact,) = HERE[name].specifier
        assert wanted.specifier.contains(exact.version), f"requirements.txt has {name} {exact.version}, pyproject.toml wants {wanted}"


@pytest.mark.parametrize("python", [p for p in PYTHONS if Version(p) in SpecifierSet(PROJECT["requires-python"])])
def test_the_lock_is_whole_for_every_python(python):
    """Each package has one version there, on Linux and on macOS."""
    for system in ({"sys_platform": "linux", "platform_system": "Linux"}, {"sys_platform": "darwin", "platform_system": "Darwin"}):
        where = {"python_version": python, "python_full_version": f"{python}.9", "os_name": "posix"} | system
        names = [p.name for p in LOCK if p.marker is None or p.marker.evaluate(where)]
        assert len(names) == len(set(names)) and set(declared("book", "tests")) <= set(names)


def test_what_is_installed_is_what_the_lock_has():
    for pin in HERE.values():
        assert pin.specifier.contains(importlib.metadata.version(pin.name)), pin


def test_what_is_optional_is_as_declared_or_absent():
    for pin in map(Requirement, EXTRAS["perceptual"]):
        assert [s.operator for s in pin.specifier] == ["=="], pin
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            assert pin.specifier.contains(importlib.metadata.version(pin.name)), pin


def test_only_metrics_needs_what_is_optional():
    """And only inside functions, so that everything else works without it."""
    for file in (paths.REPOSITORY / "audiosr_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "visqol":
                assert file.name == "metrics.py" and node.col_offset > 0


def test_the_script_takes_the_pythons_of_the_project():
    """Both bounds."""
    script = (paths.REPOSITORY / "run_all.sh").read_text(encoding="utf-8")
    condition = script.partition("sys.exit(not ")[2].partition(")' 2")[0]
    allowed = [p for p in PYTHONS if eval(condition.replace("sys.version_info[:2]", str(tuple(map(int, p.split("."))))))]
    assert allowed == [p for p in PYTHONS if Version(p) in SpecifierSet(PROJECT["requires-python"])] == ["3.11", "3.12", "3.13", "3.14"]


def test_conda_installs_the_same():
    section = (paths.REPOSITORY / "environment.yml").read_text(encoding="utf-8").partition("- pip:\n")[2]
    assert section.split() == ["-", "-r", "requirements.txt", "-", "-e", "."]
