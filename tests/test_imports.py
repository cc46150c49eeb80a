"""The structure of the library: the modules of each subpackage and the direction of imports."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from audiosr_lib.base import paths

PACKAGE = paths.REPOSITORY / "audiosr_lib"
SCIENCE = ("artefacts", "controls", "conventions", "light", "losses", "metrics", "resampling", "signals", "spectral", "unet")
# The wings that each wing (a subpackage, or the modules of SCIENCE) may import besides itself.
ALLOWED = {
    "base": set(),
    "science": {"base"},
    "data": {"base", "science"},
    "training": {"base", "science", "data"},
    "inference": {"base", "science"},
    "claims": {"base"},  # it only reads records
    "teaching": {"base", "science", "claims"},
    "study": {"base", "science", "data", "training", "inference", "claims", "teaching"},
}
LONGEST = 60  # lines of a function


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def wing_of(module: str) -> str:
    """Wing of a module by its dotted name below audiosr_lib; "" for the package itself."""
    first = module.partition(".")[0]
    return "science" if first in SCIENCE else first


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").strip(".")


def imported(file: Path) -> set[str]:
    """Modules of the library that a file imports, at the top or inside a function, dotted, below audiosr_lib."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "audiosr_lib":
            below = node.module.partition(".")[2]
            for alias in node.names:
                inner = f"{below}.{alias.name}".strip(".")
                is_module = (PACKAGE / Path(*inner.split("."))).with_suffix(".py").exists() or (PACKAGE / Path(*inner.split("."))).is_dir()
                found.add(inner if is_module else below)
        elif isinstance(node, ast.Import):
            found |= {a.name.partition(".")[2] for a in node.names if a.name.partition(".")[0] == "audiosr_lib"}
    return found


def test_every_module_has_its_place():
    flat = {f.stem for f in PACKAGE.glob("*.py")} - {"__init__"}
    assert flat == set(SCIENCE)
    assert {f.name for f in PACKAGE.iterdir() if f.is_dir() and f.name != "__pycache__"} == set(ALLOWED) - {"science"}


@pytest.mark.parametrize("file", modules(), ids=name_of)
def test_imports_go_one_way(file):
    wing = wing_of(name_of(file))
    if not wing:
        return
    others = {wing_of(m) for m in imported(file)} - {wing, ""}
    assert others <= ALLOWED[wing], f"{wing} must not import {', '.join(sorted(others - ALLOWED[wing]))}"


def test_no_module_imports_itself_in_a_circle():
    graph = {name_of(f): imported(f) - {name_of(f)} for f in modules()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above, module])
        if module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_functions_are_short():
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < LONGEST, f"{name_of(file)}.{node.name}"


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=paths.REPOSITORY).stdout.strip()


def test_signal_chapters_do_not_load_torch():
    code = "import sys; from audiosr_lib import signals, spectral, resampling, metrics, claims; "
    code += "from audiosr_lib.data import corpora, dataset, fetching, preparation; from audiosr_lib.study import record; "
    code += "from audiosr_lib.teaching import exercises, interactive, player, plotting; print('torch' in sys.modules)"
    assert run(code) == "False"


def test_the_option_parser_needs_only_the_standard_library():
    code = "import sys; sys.modules |= dict.fromkeys(['numpy', 'torch', 'soundfile', 'papermill', 'pandas']); "
    assert run(code + "from audiosr_lib.study import runner; print(runner.main(['--check']))") == "0"


def test_no_plotting_backend_is_chosen_at_import():
    code = "import sys; from audiosr_lib.study import record; from audiosr_lib.teaching import plotting; print('matplotlib' in sys.modules)"
    assert run(code) == "False"
