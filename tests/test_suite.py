"""The test command runs every part, whatever fails first, and says how each ended."""

import sys

import pytest
import suite
from suite import Part

from audiosr_lib.base import paths


@pytest.fixture
def parts(monkeypatch):
    """Statuses of the parts by name, and the names of those that ran; the smoke run leaves one notebook if it succeeds."""
    statuses, ran = {}, []

    def run_part(name, command, environment):
        ran.append(name)
        if name == "smoke run" and not statuses.get(name):
            notebooks = paths.REPOSITORY / "build" / "test" / "figures" / "smoke" / "notebooks"
            notebooks.mkdir(parents=True)
            (notebooks / "01_one.ipynb").touch()
        return Part(name, statuses.get(name, 0), f"the end of {name}", 1.0)

    monkeypatch.setattr(suite, "run_part", run_part)
    return statuses, ran


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """The suite makes and removes build/test of the repository: here it works on an empty one."""
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)


EVERYTHING = ["pytest", "smoke run", "browser tests", "notebooks"]


def test_all_parts_run_and_pass(parts, capsys):
    assert suite.run_suite() == 0
    assert parts[1] == EVERYTHING
    assert capsys.readouterr().out.count("passed") == 4


@pytest.mark.parametrize("fails", EVERYTHING)
def test_a_part_that_fails_hides_no_other(parts, capsys, fails):
    statuses, ran = parts
    statuses[fails] = 1
    assert suite.run_suite() == 1
    said = capsys.readouterr().out
    assert [n for n in EVERYTHING if n in ran] == [n for n in EVERYTHING if n != "notebooks" or fails != "smoke run"]
    assert f"{fails:<15}FAILED" in said and f"the end of {fails}" in said
    assert said.count("passed") == (2 if fails == "smoke run" else 3)  # without a smoke run there are no notebooks to run again


def test_the_closing_line_of_a_part_is_kept(capsys):
    command = [sys.executable, "-c", "print('begin'); print('3 passed in 2 s'); print(); raise SystemExit(4)"]
    part = suite.run_part("pytest", command, {})
    assert (part.status, part.closing) == (4, "3 passed in 2 s") and part.seconds > 0
    assert "begin\n3 passed" in capsys.readouterr().out
