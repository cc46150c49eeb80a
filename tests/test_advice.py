"""Every command that a message of the library advises is one that works."""

import ast
import re
import shlex

import pytest

from audiosr_lib.base import paths
from audiosr_lib.inference import cli as enhancer
from audiosr_lib.study import execution, report, runner
from audiosr_lib.training import cli as trainer

SAMPLES = {
    "--corpus": "FOLDER",
    "--profile": "smoke",
    "--forget": "a-training",
    "--only": "08",
    "--from": "08",
    "--minutes": "9",
    "--seed": "5",
}
COMMANDS = {
    "./run_all.sh": runner.parse,
    "python -m audiosr_lib.study.report": report.main,
    "python -m audiosr_lib.training.cli": trainer.main,
    "python -m audiosr_lib.inference.cli": enhancer.main,
}
FLAGS = ("--lab", "--test", "--debug", "--force", "--half")


def texts(file):
    """The strings of a module that are not docstrings, with {} for what an f-string fills in."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    comments = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | comments:
            yield node.value


def advised(text):
    """The commands in a text, each with its words. A command ends at the first word that is neither an option nor the value of one."""
    for command in COMMANDS:
        for part in text.split(command)[1:]:
            words = []
            for word in re.split(r"\s{2,}", part.strip())[0].split():
                takes_value = bool(words) and words[-1].startswith("--") and words[-1] not in FLAGS
                if not word.startswith("--") and not takes_value:
                    break
                words.append(word.rstrip(".,:;)`'\""))
                if word[-1:] in ".,:;)":
                    break
            yield (
                command,
                [SAMPLES.get(words[i - 1], word) if i and (word == "{}" or word.startswith("~")) else word for i, word in enumerate(words)],
            )


FOUND = sorted({(c, tuple(w)) for file in (paths.REPOSITORY / "audiosr_lib").rglob("*.py") for t in texts(file) for c, w in advised(t)})


def test_commands_are_found():
    assert len(FOUND) >= 10 and ("./run_all.sh", ("--profile", "smoke", "--forget", "a-training")) in FOUND


@pytest.mark.parametrize(("command", "words"), FOUND, ids=[" ".join((c, *w)) for c, w in FOUND])
def test_an_advised_command_is_accepted(command, words, tmp_path):
    words = [str(tmp_path) if word in ("FOLDER", "NAME") else word.replace("{}", "czech-ph") for word in words]
    if command == "./run_all.sh":
        runner.parse(words)
    else:
        with pytest.raises(SystemExit) as end:
            COMMANDS[command]([*words, "--help"])  # which is answered only if all words before it are right
        assert end.value.code == 0


def test_every_option_in_a_message_belongs_to_a_command(capsys):
    known = set()
    for main in (runner.parse, trainer.main, enhancer.main, report.main):
        with pytest.raises(SystemExit):
            main(["--help"])
        known |= set(re.findall(r"--[a-z]+", capsys.readouterr().out))
    named = set()
    for file in (paths.REPOSITORY / "audiosr_lib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            called = getattr(getattr(node, "func", None), "id", "") or getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and re.search("Error|Failure|Busy|NoGPU|NotPrepared|Diverged|Damaged|warn$|print$", called):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        named |= set(re.findall(r"(?<![\w-])--[a-z]+", part.value))
    assert len(named) >= 5 and named <= known, named - known


@pytest.mark.parametrize(
    "words",
    [
        ["--profile", "smoke", "--only", "08"],
        ["--corpus", "FOLDER", "--seed", "7"],
        ["--profile", "coursework", "--device", "cuda", "--minutes", "9"],
        ["--profile", "coursework", "--corpus", "tuxpaint"],
    ],
)
def test_the_command_to_continue_means_the_same_run(words, tmp_path):
    folder = tmp_path / "my recordings"
    folder.mkdir()
    options = runner.parse([str(folder) if word == "FOLDER" else word for word in words])
    said = shlex.split(execution.again(runner.parameters_of(options), "--from", "09"))
    again = runner.parse(said[said.index("./run_all.sh") + 1 :])
    assert runner.parameters_of(again) == runner.parameters_of(options) and again.first == "09"
