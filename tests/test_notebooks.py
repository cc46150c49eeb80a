"""Every source notebook keeps the house rules, and its exercises work: stubs fail, solutions pass.

That they still print what the committed record's copies print is checked on the machine that made the record, with its corpus prepared:

    export AUDIOSR_STATIC=1
    python -m pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg figures/quick/notebooks/0[1-6]*.ipynb
"""

import ast
import importlib.util
import json
import re

import chapters_on_folders
import numpy as np
import papermill
import pytest

from audiosr_lib.base import paths
from audiosr_lib.teaching import exercises

NOTEBOOKS = paths.notebooks()
PARAMETERS = {"profile", "corpus", "seed", "device"}


def cells(notebook, kind="code"):
    return [c for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind]


def source(cell) -> str:
    return "".join(cell["source"])


@pytest.fixture(params=NOTEBOOKS, ids=lambda n: n.stem)
def notebook(request):
    return request.param


def test_there_are_notebooks():
    assert {f"{i:02}" for i in range(1, 12)} <= {n.name[:2] for n in NOTEBOOKS}


def test_sources_have_no_outputs(notebook):
    assert all(not c["outputs"] and c["execution_count"] is None for c in cells(notebook))


def test_kernel_is_python3(notebook):
    assert json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"] == "python3"


def test_parameters_are_plain_literals(notebook):
    assert set(papermill.inspect_notebook(str(notebook))) == PARAMETERS
    cell = next(c for c in cells(notebook) if "parameters" in c["metadata"].get("tags", []))
    namespace = {}
    exec(source(cell), {"__builtins__": {}}, namespace)
    assert {type(v) for v in namespace.values()} <= {str, int, float, bool}


def test_opens_the_run_by_its_own_name(notebook):
    assert any(f'Run.open(\n    "{notebook.stem}"' in source(c) or f'Run.open("{notebook.stem}"' in source(c) for c in cells(notebook))


def test_starts_with_a_question_and_the_time_it_takes(notebook):
    first = source(json.loads(notebook.read_text(encoding="utf-8"))["cells"][0])
    assert first.startswith("# ")
    assert "?" in first and re.search(r"minute|second", first) and "coursework" in first.lower()


def test_no_trailing_semicolons_and_no_progress_bars(notebook):
    for c in cells(notebook):
        assert not re.search(r";\s*$", source(c), re.M), source(c)
        names = {n.id for n in ast.walk(ast.parse(source(c))) if isinstance(n, ast.Name)}
        names |= {a.name for n in ast.walk(ast.parse(source(c))) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}
        assert not names & {"tqdm", "clear_output"}, source(c)


def test_signal_chapters_do_not_import_torch(notebook):
    if notebook.name[:2] in ("01", "02", "03"):
        assert not any(re.search(r"^\s*(import|from) torch", source(c), re.M) for c in cells(notebook))


def exercise_cells():
    for notebook in NOTEBOOKS:
        for cell in cells(notebook):
            if "exercise" in cell["metadata"].get("tags", []):
                yield notebook, source(cell)


EXERCISES = [(n, s, re.search(r'exercises\.check\("(\d\d\.\d+)"', s)[1]) for n, s in exercise_cells()]


def test_each_chapter_has_exercises_with_a_checker_each(notebook):
    ids = [i for n, _, i in EXERCISES if n == notebook]
    assert len(ids) >= (4 if notebook.name[:2] <= "06" else 2)
    assert ids == sorted(set(ids))
    assert all(i.startswith(notebook.name[:2]) for i in ids)


@pytest.mark.parametrize(("notebook", "code", "number"), EXERCISES, ids=[i for *_, i in EXERCISES])
def test_stub_fails_its_checker(notebook, code, number, capsys):
    namespace = {"exercises": exercises}
    exec("import numpy as np", namespace)
    exec(code, namespace)
    assert f"Exercise {number}: not yet" in capsys.readouterr().out


@pytest.mark.parametrize("number", [i for *_, i in EXERCISES])
def test_solution_passes_its_checker(number):
    file = paths.REPOSITORY / "notebooks" / "solutions" / f"chapter_{number[:2]}.py"
    spec = importlib.util.spec_from_file_location(f"solutions_{number[:2]}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    answer = getattr(module, f"exercise_{number.replace('.', '_')}")
    assert exercises.verdict(number, answer) is None


def test_a_typical_mistake_gets_its_own_hint():
    with pytest.raises(exercises.Hint, match="half"):
        exercises.mistake([0.5 + 1j, 1], np.array([0.5 + 1j, 1.0]), "half of it")
    exercises.mistake([0.5, 1.1], [0.5, 1.0], "not this one")
    for no_number in (None, "text", [1, [2]]):
        assert not exercises.equals(no_number, 1.0)
    assert not exercises.equals(1.0, [1.0])  # another shape


def test_a_check_never_raises(capsys):
    def broken(*args, **kwargs):
        raise RuntimeError("oops")

    for *_, number in EXERCISES:
        exercises.check(number, broken)
        exercises.check(number, "nonsense")
        exercises.check(number, None)
    assert "right." not in capsys.readouterr().out


def test_a_short_chapter_runs_on_a_drawn_folder(tmp_path):
    """Every chapter, on many folders: python tests/chapters_on_folders.py."""
    chapters_on_folders.draw_folder(tmp_path / "drawn", seed=23)  # three speakers, steady tones with an offset
    message = chapters_on_folders.failures(tmp_path / "drawn", tmp_path / "home", "--only", "07")
    assert not message, message
