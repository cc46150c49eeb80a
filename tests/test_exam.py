"""The exam on the coursework's first section: twenty questions, each answered by a named part of notebooks 01 to 06."""

import json
import math
import tomllib

import pytest

from audiosr_lib.base import paths

QUESTIONS = tomllib.loads((paths.REPOSITORY / "tests" / "exam.toml").read_text(encoding="utf-8"))["question"]
SECTIONS = {f"1.{i}" for i in range(1, 15)} - {"1.3"}  # the coursework has no 1.3


def headings(chapter: str) -> list[str]:
    (notebook,) = [n for n in paths.notebooks() if n.name[:2] == chapter]
    prose = [c for c in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "markdown"]
    return [line.strip() for c in prose for line in "".join(c["source"]).splitlines() if line.startswith("#")]


def test_twenty_questions_on_every_section():
    assert len(QUESTIONS) == 20
    assert {s for q in QUESTIONS for s in q["sections"]} == SECTIONS
    assert {chapter for q in QUESTIONS for chapter in q["where"]} == {"01", "02", "03", "04", "05", "06"}
    assert len({q["ask"] for q in QUESTIONS}) == 20


@pytest.mark.parametrize("number", range(1, 21))
def test_the_part_that_answers_is_there(number):
    question = QUESTIONS[number - 1]
    assert question["answer"].strip()
    for chapter, heading in question["where"].items():
        assert heading in headings(chapter), f"question {number}: chapter {chapter} has no heading {heading!r}"


@pytest.mark.parametrize("number", [i for i, q in enumerate(QUESTIONS, 1) if "compute" in q])
def test_a_number_in_an_answer_is_what_it_computes_to(number):
    """`compute` is an expression in Python; `gives` is the number that the answer states."""
    question = QUESTIONS[number - 1]
    value = eval(question["compute"], {"math": math, "__builtins__": {"sum": sum, "range": range, "abs": abs, "max": max}})
    assert math.isclose(value, question["gives"], rel_tol=question.get("tolerance", 1e-9))
    assert f"{question['gives']:g}" in question["answer"].replace(",", "")
