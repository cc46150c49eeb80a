"""README.md says what the record says and names what exists."""

import re

import helpers
import pytest

from audiosr_lib.base import paths, profiles
from audiosr_lib.inference import cli
from audiosr_lib.study import runner, summary

TEXT = (paths.REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", helpers.committed_records(), ids=lambda f: f.name)
def test_both_parts_are_those_of_the_record_that_readme_names(folder):
    assert summary.glance(folder.name) in TEXT
    assert summary.verdicts(folder.name) in TEXT


@pytest.mark.parametrize("folder", helpers.own_records(), ids=lambda f: f.name)
def test_both_parts_can_be_made_from_a_users_own_record(folder):
    for made, begin, end in (
        (summary.glance(folder.name), summary.BEGIN, summary.END),
        (summary.verdicts(folder.name), summary.VERDICTS_BEGIN, summary.VERDICTS_END),
    ):
        assert made.startswith(begin) and made.endswith(end) and "nan" not in made
        rows = [line for line in made.splitlines() if line.startswith("|")]
        ours = [line for line in TEXT.partition(begin)[2].partition(end)[0].splitlines() if line.startswith("|")]
        same = len(summary.ROWS) + 3 if begin == summary.BEGIN else None  # then come the test sets, which differ
        assert [r.split("|")[1] for r in rows[:same]] == [r.split("|")[1] for r in ours[:same]]


def test_readme_names_a_record():
    assert summary.named_record(TEXT)


def test_options_and_profiles_are_the_real_ones(capsys):
    with pytest.raises(SystemExit):
        runner.parse(["--help"])
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    own = "\n".join(line for line in TEXT.splitlines() if not re.search("torchrun|tensorboard", line))  # which have options of their own
    assert set(re.findall(r"(?<![\w-])--[a-z]+", own)) <= known
    assert all(f"`{name}`" in TEXT for name in profiles.PROFILES)


def test_every_file_it_names_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    if not helpers.committed_records():  # a user's own record lies there, with other speakers
        links = [n for n in links if not n.startswith("figures/")]
    assert [n for n in links if not (paths.REPOSITORY / n).exists()] == []
    assert {n.stem for n in paths.notebooks()} <= set(re.findall(r"\d\d_[a-z0-9_]+", TEXT))
