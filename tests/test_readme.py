"""README.md says what the record says and names what exists."""

import re

import pytest

from audiosr_lib import paths, profiles, readme, runner

TEXT = (paths.REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not (paths.REPOSITORY / "figures" / "quick" / "manifest.json").exists(), reason="no record of quick yet")
def test_both_parts_are_the_records():
    assert readme.glance() in TEXT
    assert readme.verdicts() in TEXT


def test_options_and_profiles_are_the_real_ones(capsys):
    with pytest.raises(SystemExit):
        runner.parse(["--help"])
    known = set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    own = "\n".join(line for line in TEXT.splitlines() if "torchrun" not in line)  # which has options of its own
    assert set(re.findall(r"(?<![\w-])--[a-z]+", own)) <= known
    assert all(f"`{name}`" in TEXT for name in profiles.PROFILES)


def test_every_file_it_names_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [n for n in links if not (paths.REPOSITORY / n).exists()] == []
    assert {n.stem for n in paths.notebooks()} <= set(re.findall(r"\d\d_[a-z0-9_]+", TEXT))
