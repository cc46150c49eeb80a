"""The documents and the prose of the notebooks name what exists: files, links, modules, functions, commands and versions."""

import ast
import importlib
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import helpers
import pytest

import audiosr_lib
from audiosr_lib.base import paths

ROOT = paths.REPOSITORY
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md", "benchmarks/README.md")]
# Made by a run or by installing, so a clone need not have them.
MADE = ("data/raw", "data/prepared", "build", ".venv", "figures/smoke", "figures/coursework", "figures/quick/notebooks")
if not helpers.committed_records():  # a user's own record lies there, with files of its own
    MADE = (*MADE, "figures/")
SOURCES = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sh", ".ipynb", ".cff"}
DOTTED = re.compile(r"\baudiosr_lib(?:\.\w+)+")


def code_of(text: str) -> list[str]:
    """Return what a Markdown text shows as code: fenced and indented blocks, and spans in backticks."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.M | re.S)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return [*fenced, *re.findall(r"^ {4}(.+)$", rest, re.M), *re.findall(r"`([^`\n]+)`", rest)]


def exists(word: str, beside: Path) -> bool:
    """Return whether a path is there, from a document's folder or from the root; NN stands for two digits, * for anything."""
    pattern = word.removeprefix("./").rstrip("/").replace("NN_topic", "NN_*").replace("NN", "[0-9][0-9]")
    return any(next(folder.glob(pattern), None) is not None for folder in (beside, ROOT))


def missing_paths(text: str, beside: Path) -> list[str]:
    """Return the paths in a text's code that look like the repository's and are not there."""
    words = {w for code in code_of(text) for w in code.split() if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", w)}
    ours = {w for w in words if Path(w).suffix in SOURCES or ("/" in w and any((f / w.split("/")[0]).exists() for f in (beside, ROOT)))}
    return sorted(w for w in ours if not w.removeprefix("./").startswith(MADE) and not exists(w, beside))


def missing_links(text: str, beside: Path) -> list[str]:
    """Return the relative links of a text that lead nowhere."""
    targets = {t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", t)}
    return sorted(t for t in targets if t and not t.startswith(MADE) and not (beside / t).exists())


def resolves(start: object, name: str, attributes: list[str]) -> bool:
    """Return whether `start.attributes` is there, as modules that can be imported or as what lies in them."""
    for attribute in attributes:
        name = f"{name}.{attribute}"
        if not hasattr(start, attribute):
            place = ROOT.joinpath(*name.split("."))
            if not (place.is_dir() or place.with_suffix(".py").exists()):
                return False
            importlib.import_module(name)
        start = getattr(start, attribute)
    return True


def missing_names(text: str) -> list[str]:
    """Return the dotted names below audiosr_lib that cannot be resolved."""
    return sorted(n for n in set(DOTTED.findall(text)) if not resolves(audiosr_lib, "audiosr_lib", n.split(".")[1:]))


def missing_commands(text: str) -> list[str]:
    """Return the modules in commands with -m that are not the library's or cannot be run."""
    wrong = []
    for name in sorted(set(re.findall(r"-m (audiosr_lib[\w.]*)", text))):
        file = ROOT.joinpath(*name.split(".")).with_suffix(".py")
        if not (file.exists() and '__name__ == "__main__"' in file.read_text(encoding="utf-8")):
            wrong.append(name)
    return wrong


def prose_and_code(notebook: Path) -> tuple[str, str]:
    """Return a notebook's Markdown and its code."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return tuple("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == kind) for kind in ("markdown", "code"))


def imported_modules(code: str) -> dict[str, ModuleType]:
    """Return the library's modules that a notebook's code imports, by the name they have there."""
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("audiosr_lib"):
            for alias in node.names:
                if resolves(importlib.import_module(node.module), node.module, [alias.name]):
                    found[alias.asname or alias.name] = getattr(importlib.import_module(node.module), alias.name)
    return {name: value for name, value in found.items() if isinstance(value, ModuleType)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.relative_to(ROOT).as_posix())
def test_a_document_names_what_exists(document):
    text = document.read_text(encoding="utf-8")
    assert missing_links(text, document.parent) == []
    assert missing_paths(text, document.parent) == []
    assert missing_names(text) == []
    assert missing_commands(text) == []


@pytest.mark.parametrize("notebook", paths.notebooks(), ids=lambda n: n.stem)
def test_the_prose_of_a_notebook_names_what_exists(notebook):
    prose, code = prose_and_code(notebook)
    comments = "\n".join(re.findall(r"#.*$", code, re.M))
    assert missing_links(prose, notebook.parent) == []
    assert missing_paths(prose, ROOT) == []
    assert missing_names(prose + comments) == []
    modules = imported_modules(code)
    for first, rest in re.findall(r"`([a-z_]\w*)((?:\.[A-Za-z_]\w*)+)", prose):
        if first in modules:
            assert resolves(modules[first], modules[first].__name__, rest.split(".")[1:]), first + rest


def test_what_does_not_exist_is_found():
    """The walk itself."""
    text = "[a](no_such.md) [b](README.md#x) `audiosr_lib/streaming.py` `data/corpora.toml` `data/raw/x` `audiosr_lib.base.files.no_such`\n"
    text += "```bash\npython -m audiosr_lib.streaming a b\n./run_all.sh benchmarks/no_such.py\n```\n"
    assert missing_links(text, ROOT) == ["no_such.md"]
    assert missing_paths(text, ROOT) == ["audiosr_lib/streaming.py", "benchmarks/no_such.py"]
    assert missing_names(text) == ["audiosr_lib.base.files.no_such", "audiosr_lib.streaming"]
    assert missing_commands(text + "`python -m audiosr_lib.unet`") == ["audiosr_lib.streaming", "audiosr_lib.unet"]


def test_the_console_command_is_the_module_that_readme_names():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, target in scripts.items():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert f"bin/{name} " in readme and f"-m {module} " in readme


def test_citation_and_changelog_have_the_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([a-z-]+): *(.*)$", citation, re.M))
    assert {"cff-version", "message", "title", "authors", "license"} <= set(fields)
    assert fields["cff-version"] == "1.2.0" and fields["license"] == "MIT"
    assert fields["title"] == '"Audio super-resolution, examined"'
    assert fields["version"] == audiosr_lib.__version__
    newest = re.search(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest.groups() == (audiosr_lib.__version__, fields["date-released"])


def test_hooks_are_local_and_find_outputs():
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = text.split("      - id: ")[1:]
    assert hooks and re.findall(r"^ *- repo: (.+)$", text, re.M) == ["local"]
    for hook in hooks:
        assert {"name", "entry", "language"} <= set(re.findall(r"^ {8}(\w+): ", hook, re.M)), hook
    (pattern,) = re.findall(r"entry: '(.+)'$", text, re.M)
    sources = [n.read_text(encoding="utf-8") for n in paths.notebooks()]
    assert not any(re.search(pattern, s) for s in sources)
    assert re.search(pattern, sources[0].replace('"execution_count": null', '"execution_count": 3', 1))
    assert re.search(pattern, sources[0].replace('"outputs": []', '"outputs": [\n{"output_type": "stream"}]', 1))


def test_no_document_holds_tabs_or_paths_of_a_machine():
    for file in (*DOCUMENTS, ROOT / "CITATION.cff", ROOT / ".pre-commit-config.yaml"):
        text = file.read_text(encoding="utf-8")
        assert "\t" not in text and not re.search(r"/(home|root|work|Users|opt)/", text), file.name
