"""The library is a one-way street of small modules, cheap to import."""

import ast
import subprocess
import sys

import pytest

from audiosr_lib import paths

# Each module may import only those named before it here.
ORDER = (
    "files", "paths", "profiles", "exercises", "signals", "spectral", "resampling", "download", "corpora", "preparation",
    "dataset", "losses", "logbook", "unet", "parallel", "engine", "training", "metrics", "audit", "inference", "deployed", "streaming",
    "timing", "svg", "plotting", "audio", "interactive", "claims", "judges", "coursework", "record", "readme", "pages",
    "chapters", "report", "trainer", "runner",
)  # fmt: skip
PACKAGE = paths.REPOSITORY / "audiosr_lib"


def imported(file) -> set[str]:
    """Modules of the library that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "audiosr_lib":
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audiosr_lib."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("audiosr_lib.")}
    return found


def test_every_module_has_its_place():
    assert {f.stem for f in PACKAGE.glob("*.py")} - {"__init__"} == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_go_one_way(name):
    assert imported(PACKAGE / f"{name}.py") <= set(ORDER[: ORDER.index(name)])


def test_checkers_do_not_import_what_uses_them():
    for file in (PACKAGE / "checkers").glob("chapter_*.py"):
        assert not imported(file) & {"runner", "record"}, file.name


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=paths.REPOSITORY).stdout.strip()


def test_signal_modules_do_not_load_torch():
    modules = "signals, spectral, resampling, corpora, preparation, dataset, metrics, audit, claims, judges, coursework, "
    modules += "plotting, audio, interactive, record, exercises"
    assert run(f"import sys; from audiosr_lib import {modules}; print('torch' in sys.modules)") == "False"


def test_the_package_and_the_option_parser_need_only_the_standard_library():
    code = "import sys; sys.modules |= dict.fromkeys(['numpy', 'torch', 'soundfile', 'papermill']); "
    assert run(code + "from audiosr_lib import runner; print(runner.main(['--check']))") == "0"


def test_no_plotting_backend_is_chosen_at_import():
    assert run("import sys; from audiosr_lib import plotting, record; print('matplotlib' in sys.modules)") == "False"
