"""The command behind run_all.sh: data, notebooks top to bottom, record, tests.

run_all.sh calls this twice: first with ``--check`` under whatever Python the machine has, before anything is installed, so that a wrong
option costs nothing (only the standard library is imported at the top); then for the work, inside the environment.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from audiosr_lib import files, paths, profiles

DEVICES = ("auto", "cpu", "cuda")
FIRST_ALONE = "08"  # the training: from here on a notebook reads what the last one wrote, uses every core, or times things
UNSEEN_IN = "11"  # the chapter that tests on corpora never trained on
SHOWN = "shown"  # a file in a training's folder: its record is published, so a new run trains anew
AT_ONCE = 4  # notebooks before it, at most; each takes a core and about half a GiB
CLEAR = "\r" + " " * 100 + "\r" if sys.stdout.isatty() else ""
HELP_END = """examples:
  ./run_all.sh                                the study on real speech, in about 13 minutes on two cores
  ./run_all.sh --profile smoke                all of it on synthetic signals, without a network
  ./run_all.sh --profile coursework --device cuda
  ./run_all.sh --corpus ~/recordings          your own full-band recordings, a sub-folder for each speaker
  ./run_all.sh --from 09                      go on after a failure
  ./run_all.sh --profile coursework --minutes 9   train a piece; the same command goes on
  ./run_all.sh --test                         the tests"""


class Failure(RuntimeError):
    """An expected failure of a run, told in a message without a traceback."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Options of run_all.sh; argparse ends the program with status 2 and the allowed values if one is wrong."""
    parser = argparse.ArgumentParser(
        prog="./run_all.sh", allow_abbrev=False, epilog=HELP_END, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the audio super-resolution study and collect its figures, tables and clips.",
    )  # fmt: skip
    numbers = [p.name[:2] for p in paths.notebooks()]
    add = parser.add_argument
    add("--profile", choices=list(profiles.PROFILES), default="quick", help="how much of everything (default: quick)")
    add("--corpus", default="", metavar="tuxpaint|vctk|FOLDER", type=_corpus, help="recordings (default: the profile's own)")
    add("--device", choices=DEVICES, default="auto", help="where networks run (default: CUDA where there is one)")
    add("--from", choices=numbers, dest="first", metavar="NN", help=f"start at this notebook: {' '.join(numbers)}")
    add("--only", choices=numbers, metavar="NN", help="run this notebook alone")
    add("--seed", type=_seed, default=0, metavar="N", help="of everything random (default: 0)")
    add(
        "--minutes",
        type=_minutes,
        metavar="N",
        help="only train, for so long; the next call goes on, the study then takes what was trained",
    )
    add("--test", action="store_true", help="run the tests instead of the study")
    add("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.first and options.only:
        parser.error("--from and --only exclude each other")
    if options.minutes and (options.first or options.only):
        parser.error("--minutes only trains: give it without --from and --only")
    return options


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 0")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no time in minutes, above 0")
    return minutes


def _corpus(text: str) -> str:
    splits = _splits_of_each()
    names = [name for name in splits if splits[name] != {"test"}]
    if text in splits and text not in names:
        raise argparse.ArgumentTypeError(f"{text!r} is only tested on, never trained on: give {', '.join(names)} or a folder")
    if text not in names and not Path(text).expanduser().is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is neither an existing folder nor one of {', '.join(names)}")
    return text


def _splits_of_each() -> dict[str, set[str]]:
    """Corpus -> the splits its registry entry names.

    The registry is TOML, which Python 3.10 cannot read before the environment stands: only names of tables and keys are needed.
    """
    keys: dict[str, set[str]] = {}
    for line in paths.registry_file().read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            table = keys.setdefault(line.strip("[] "), set())
        elif key := re.match(r"(\w+) *=", line):
            table.add(key[1])
    return {name: keys.get(f"{name}.splits", set()) for name in keys if "." not in name and name not in ("keep", "folder")}


# --- notebooks ------------------------------------------------------------------------------------


def declared_parameters(notebook: Path) -> set[str]:
    """Names assigned in the cell tagged `parameters`. papermill only warns about a name that is not there."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    tagged = ["".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise Failure(f"{notebook.name} has {len(tagged)} cells tagged 'parameters'; it needs exactly one")
    return {t.id for node in ast.parse(tagged[0]).body if isinstance(node, ast.Assign) for t in node.targets if isinstance(t, ast.Name)}


def check_parameters(notebooks: list[Path], parameters: dict) -> None:
    """Failure, before anything runs, if a notebook does not declare a parameter it would be given."""
    for notebook in notebooks:
        if unknown := set(parameters) - declared_parameters(notebook):
            raise Failure(f"{notebook.name} declares no parameter {', '.join(sorted(unknown))} in its cell tagged 'parameters'")


def execute(notebook: Path, output: Path, parameters: dict, log: Path) -> None:
    """Run one notebook with papermill; Failure names the notebook, the cell's source, the error and the log.

    It is written beside the log and becomes `output` only when it ran through.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    output.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    running = log.with_suffix(".ipynb")
    try:
        papermill.execute_notebook(
            os.path.relpath(notebook), os.path.relpath(running), parameters=parameters, kernel_name="python3",
            progress_bar=False, request_save_on_cell_execute=False, cwd=str(paths.REPOSITORY),
        )  # fmt: skip
    except PapermillExecutionError as error:
        log.write_text("\n".join(error.traceback), encoding="utf-8")
        source = "\n".join(f"    {line}" for line in error.source.splitlines())
        raise Failure(
            f"{notebook.name} failed in code cell {error.exec_count}:\n\n{source}\n\n{error.ename}: {error.evalue}\n\n"
            f"Traceback: {paths.shown(log)}\nNotebook as far as it came: {paths.shown(running)}\n"
            f"When it is mended, go on with --from {notebook.name[:2]}"
        ) from None
    except Exception as error:  # a kernel that died, a file that cannot be written
        log.write_text(f"{type(error).__name__}: {error}\n", encoding="utf-8")
        raise Failure(
            f"{notebook.name} could not be run: {type(error).__name__}: {error}\n"
            f"If the kernel died, the machine may have run out of memory.\nLog: {paths.shown(log)}\nGo on with --from {notebook.name[:2]}"
        ) from error
    running.replace(output)


@contextmanager
def as_by_command() -> Iterator[None]:
    """Notebooks write into the record and show no sliders, and papermill notes relative paths, which tell nothing of this machine."""
    from audiosr_lib.interactive import STATIC
    from audiosr_lib.record import BY_COMMAND

    here, before = os.getcwd(), dict(os.environ)
    os.chdir(paths.REPOSITORY)
    os.environ |= {BY_COMMAND: "1", STATIC: "1"}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(here)


@contextmanager
def shown_progress(label: str, file: Path) -> Iterator[None]:
    """Print what a notebook writes to the profile's progress file: in place on a terminal, else once a minute."""
    file.unlink(missing_ok=True)
    done = threading.Event()
    terminal = bool(CLEAR)
    started = time.perf_counter()

    def watch() -> None:
        last, at = "", started
        while not done.wait(1.0):
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            now = time.perf_counter()
            if terminal:
                print(f"\r{label} {now - started:5.0f} s  {text:<60}", end="", flush=True)
            elif text != last and now - at >= 60:
                print(f"{label} {now - started:5.0f} s  {text}", flush=True)
                last, at = text, now

    if not terminal:
        print(f"{label} ...", flush=True)
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        file.unlink(missing_ok=True)
        print(CLEAR, end="", flush=True)


def run_notebooks(notebooks: list[Path], options: argparse.Namespace, parameters: dict) -> dict[str, float]:
    """Execute notebooks in order; seconds of each by name, those of earlier pieces of the same run included.

    The chapters before the training need one core each and read nothing of each other: they run side by side. The first Failure
    ends the run, after the notebooks that had started.
    """
    times_file = paths.build(options.profile) / "seconds.json"
    progress_file = paths.build(options.profile) / "progress"
    times = files.read_json(times_file) if times_file.exists() else {}
    ended = threading.Lock()

    def run_one(notebook: Path) -> None:
        started = time.perf_counter()
        output = paths.staging(options.profile) / "notebooks" / notebook.name
        execute(notebook, output, parameters, paths.build(options.profile) / "logs" / f"{notebook.stem}.log")
        with ended:
            times[notebook.stem] = time.perf_counter() - started
            files.write_json(times_file, times)
            print(f"{CLEAR}[{place[notebook]}/{len(notebooks)}] {notebook.stem}  {times[notebook.stem]:.1f} s", flush=True)

    place = {notebook: i for i, notebook in enumerate(notebooks, 1)}
    light = [n for n in notebooks if n.name[:2] < FIRST_ALONE]
    with as_by_command():
        if light:
            at_once = min(os.cpu_count() or 1, AT_ONCE, len(light))
            with shown_progress(f"{len(light)} notebooks, {at_once} at a time", progress_file), ThreadPoolExecutor(at_once) as pool:
                jobs = [pool.submit(run_one, n) for n in light]
                try:
                    for job in as_completed(jobs):
                        job.result()
                finally:
                    pool.shutdown(cancel_futures=True)
        for notebook in notebooks[len(light) :]:
            with shown_progress(f"[{place[notebook]}/{len(notebooks)}] {notebook.stem}", progress_file):
                run_one(notebook)
    return times


# --- the study --------------------------------------------------------------------------------------


def prepare_corpus(name: str) -> str:
    """Fetch and prepare; prints one line; returns the corpus' name in the prepared folder."""
    from audiosr_lib import corpora, dataset, preparation

    corpus = corpora.open_corpus(name)
    ready = preparation.is_prepared(paths.prepared(corpus.name))
    if not ready:
        print(f"Fetching and preparing the corpus {corpus.name} (only the first time) ...", flush=True)
    started = time.perf_counter()
    preparation.make_ready(corpus)
    about = dataset.summary(corpus.name)
    hours = sum(about["seconds"].values()) / 3600
    took = "" if ready else f" in {time.perf_counter() - started:.0f} s"
    print(f"Corpus {corpus.name}: {sum(about['utterances'].values())} utterances, {hours:.2f} hours, ready{took}", flush=True)
    return corpus.name


def prepare_unseen(names: tuple[str, ...]) -> None:
    """Fetch and prepare corpora that are only tested on. One that cannot be had does not end the run: a line says which, and why."""
    from audiosr_lib.corpora import CorpusError
    from audiosr_lib.download import DownloadError

    for name in names:
        try:
            prepare_corpus(name)
        except (CorpusError, DownloadError, OSError) as error:
            why = " ".join(str(error).rpartition("\n\n")[2].split())  # without the ways to a corpus to train on
            print(f"Corpus {name}: not to be had, so notebook {UNSEEN_IN} will leave that part out. {why}", flush=True)


def _as_path(corpus: str) -> str:
    """The name of a corpus as it is, a folder as a whole path."""
    is_folder = Path(corpus).expanduser().is_dir() and (os.sep in corpus or "." in corpus)
    return str(Path(corpus).expanduser().resolve()) if is_folder else corpus


def check_device(device: str) -> str:
    """The device networks will run on; Failure at once for "cuda" without a GPU."""
    from audiosr_lib import engine

    try:
        return engine.device_for(device)
    except engine.NoGPU as error:
        raise Failure(str(error)) from None


def start_afresh(profile: str) -> None:
    """Before a run from the top: drop the last record in the making, and a training that a record has shown; any other goes on."""
    for folder in (paths.staging(profile), paths.build(profile) / "logs"):
        shutil.rmtree(folder, ignore_errors=True)
    (paths.build(profile) / "seconds.json").unlink(missing_ok=True)
    training = paths.build(profile) / "training"
    if (training / SHOWN).exists():
        shutil.rmtree(training)


def train_a_piece(options: argparse.Namespace) -> None:
    """Train for some minutes, or to the end, and say how to go on."""
    import torch

    from audiosr_lib import trainer, training

    device = check_device(options.device)
    corpus = prepare_corpus(_as_path(options.corpus or profiles.get(options.profile).corpus))
    if (paths.build(options.profile) / "training" / SHOWN).exists():
        start_afresh(options.profile)
    try:
        result = trainer.run(options.profile, corpus, options.seed, device, options.minutes)
    except (training.TrainingDiverged, torch.OutOfMemoryError) as error:
        raise Failure(training.explained(error)) from error
    print("Training is finished: now the study, without --minutes." if result.finished else "Not finished: the same command goes on.")


def study(options: argparse.Namespace) -> None:
    """Run the study, or a part of it, and publish the record when it is whole."""
    from audiosr_lib import record, report

    everything = paths.notebooks()
    chosen = [n for n in everything if n.name[:2] == options.only] if options.only else everything
    chosen = [n for n in chosen if not options.first or n.name[:2] >= options.first]
    corpus_argument = _as_path(options.corpus or profiles.get(options.profile).corpus)
    parameters = {"profile": options.profile, "corpus": corpus_argument, "seed": options.seed, "device": options.device}
    check_parameters(everything, parameters)
    device = check_device(options.device)
    started = time.perf_counter()
    corpus = prepare_corpus(corpus_argument)
    if any(n.name[:2] == UNSEEN_IN for n in chosen):
        prepare_unseen(profiles.get(options.profile).unseen_beside(corpus))
    if len(chosen) == len(everything):
        start_afresh(options.profile)
    seconds = run_notebooks(chosen, options, parameters)
    same = {"profile": options.profile, "corpus": corpus, "seed": options.seed}
    try:
        folder = record.publish(options.profile, same, seconds, device, [n.stem for n in everything])
        manifest = files.read_json(folder / "manifest.json")["artifacts"]
        files.write_text(paths.build(options.profile) / "training" / SHOWN, "its record is published\n")
        closing = f"The record: {paths.shown(folder)}/ (start with manifest.json and notebooks/)"
    except record.RecordError as reason:
        folder = None
        manifest = [a for f in record.fragments(options.profile).values() for a in f["artifacts"]]
        closing = f"Not published: {reason}"
    summary(chosen, seconds, manifest)
    if folder is not None:
        index = report.build(folder)
        closing += f"\nThe report, for any browser: {paths.shown(index)}"
    took = time.perf_counter() - started
    print(f"{closing}\nProfile {options.profile}, corpus {corpus}, seed {options.seed}, {device}, {took:.0f} s in all")


def summary(notebooks: list[Path], seconds: dict[str, float], artifacts: list[dict]) -> None:
    """The closing table: what each notebook made and how long it took."""
    print(f"\n{'notebook':<28}{'seconds':>8}  made")
    for notebook in notebooks:
        made = [a["id"] for a in artifacts if a["notebook"] == notebook.stem]
        clips = sum(m.startswith("clip-") for m in made)
        listed = [m for m in made if not m.startswith(("clip-", "data-"))] + ([f"{clips} clips"] if clips else [])
        print(f"{notebook.stem:<28}{seconds[notebook.stem]:>8.1f}  {', '.join(listed) or '-'}")


# --- tests --------------------------------------------------------------------------------------------


def test() -> int:
    """pytest, then the smoke profile by papermill, its report in a browser where there is one, and nbval over its notebooks: the second
    run must print what the first did."""
    from audiosr_lib import interactive

    command = [sys.executable, "-m", "pytest"]
    in_browser = os.path.join("tests", "browser")
    status = subprocess.run([*command, "-q", "tests", "--ignore", in_browser], cwd=paths.REPOSITORY, check=False).returncode
    if status:
        return status
    home = paths.REPOSITORY / "build" / "test"
    shutil.rmtree(home, ignore_errors=True)
    environment = os.environ | {"AUDIOSR_HOME": str(home), interactive.STATIC: "1"}
    smoke = [sys.executable, "-m", "audiosr_lib.runner", "--profile", "smoke", "--device", "cpu"]
    if status := subprocess.run(smoke, cwd=paths.REPOSITORY, env=environment, check=False).returncode:
        return status
    environment["AUDIOSR_REPORT"] = str(home / "figures" / "smoke" / "report")
    status = subprocess.run([*command, "-q", "-rs", in_browser], cwd=paths.REPOSITORY, env=environment, check=False).returncode
    if status:
        return status
    notebooks = sorted(str(p) for p in (home / "figures" / "smoke" / "notebooks").glob("*.ipynb"))
    sanitize = str(paths.REPOSITORY / "tests" / "nbval_sanitize.cfg")
    nbval = [*command, "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", sanitize, *notebooks]
    return subprocess.run(nbval, cwd=paths.REPOSITORY, env=environment, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    """Exit status of run_all.sh."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.check:
        return 0
    if options.test:
        return test()
    from audiosr_lib.corpora import CorpusError
    from audiosr_lib.download import DownloadError
    from audiosr_lib.pages import ReportError

    try:
        train_a_piece(options) if options.minutes else study(options)
    except (Failure, CorpusError, DownloadError, ReportError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What is done is kept: start again, or go on with --from NN.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
