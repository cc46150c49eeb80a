"""The command behind run_all.sh: data, notebooks top to bottom, record, tests.

run_all.sh calls this twice: first with ``--check`` under whatever Python the machine has, before anything is installed, so that a wrong
option costs nothing (only the standard library is imported at the top); then for the work, inside the environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from audiosr_lib.base import files, paths, profiles
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import corpora
from audiosr_lib.study.execution import Failure, check_parameters, run_notebooks

UNSEEN_IN = "11"  # the chapter that tests on corpora never trained on
SHOWN = "shown"  # a file in the folder of a training: its record is published, so the next run from the top trains anew
HELP_END = """examples:
  ./run_all.sh                                the study on real speech, in about 13 minutes on two cores
  ./run_all.sh --profile smoke                all of it on synthetic signals, without a network
  ./run_all.sh --profile coursework --device cuda
  ./run_all.sh --corpus ~/recordings          your own full-band recordings, a sub-folder for each speaker
  ./run_all.sh --from 09                      go on after a failure
  ./run_all.sh --profile coursework --minutes 9   train a piece; the same command goes on
  ./run_all.sh --lab                          open the notebooks in JupyterLab
  ./run_all.sh --test                         the tests"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of run_all.sh; argparse ends the program with status 2 and the allowed values if one is wrong."""
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
    add("--minutes", type=_minutes, metavar="N", help="only train, for N minutes; the same command goes on; the study uses that training")
    add("--lab", action="store_true", help="open JupyterLab, without a run")
    add("--test", action="store_true", help="run the tests, without a run of the study")
    add("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.first and options.only:
        parser.error("--from and --only exclude each other")
    if options.minutes and (options.first or options.only):
        parser.error("--minutes only trains: give it without --from and --only")
    if options.lab and options.test:
        parser.error("--lab and --test exclude each other")
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
        raise argparse.ArgumentTypeError(f"--minutes must be a positive number, got {text!r}")
    return minutes


def _corpus(text: str) -> str:
    names, tested_on = corpora.names_to_train_on(), set(corpora.entries())
    if text in tested_on - set(names):
        raise argparse.ArgumentTypeError(f"{text!r} is only tested on, never trained on: choose {', '.join(names)} or a folder")
    if text not in names and not Path(text).expanduser().is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is neither an existing folder nor one of {', '.join(names)}")
    return text


# --- the study --------------------------------------------------------------------------------------


def prepare_corpus(name: str) -> str:
    """Fetch and prepare a corpus, print one line, and return its name in the prepared folder."""
    from audiosr_lib.data import dataset, preparation

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
    """Fetch and prepare corpora that are only tested on. If one cannot be had, print why and go on."""
    for name in names:
        try:
            prepare_corpus(name)
        except (StudyError, OSError) as error:
            why = " ".join(str(error).rpartition("\n\n")[2].split())  # without the ways to a corpus to train on
            print(f"Corpus {name}: not available, so notebook {UNSEEN_IN} leaves that part out. {why}", flush=True)


def _as_path(corpus: str) -> str:
    """Return the name of a corpus as it is, a folder as an absolute path."""
    is_folder = Path(corpus).expanduser().is_dir() and (os.sep in corpus or "." in corpus)
    return str(Path(corpus).expanduser().resolve()) if is_folder else corpus


def start_afresh(profile: str) -> None:
    """Before a run from the top: drop the last record in the making, and move a training aside whose record is published."""
    for folder in (paths.staging(profile), paths.build(profile) / "logs"):
        shutil.rmtree(folder, ignore_errors=True)
    (paths.build(profile) / "seconds.json").unlink(missing_ok=True)
    training = paths.build(profile) / "training"
    if (training / SHOWN).exists():
        print(f"The training of the last record is now in {paths.shown(files.move_aside(training))}; delete it when you need the room.")


def train_a_piece(options: argparse.Namespace) -> None:
    """Train for some minutes, or to the end, and say how to go on."""
    import torch

    from audiosr_lib.training import cli

    device = device_for(options.device)
    corpus = prepare_corpus(_as_path(options.corpus or profiles.get(options.profile).corpus))
    if (paths.build(options.profile) / "training" / SHOWN).exists():
        start_afresh(options.profile)
    try:
        result = cli.run(options.profile, corpus, options.seed, device, options.minutes)
    except torch.OutOfMemoryError as error:
        raise Failure(cli.explained(error)) from error
    print("Training is finished: now the study, without --minutes." if result.finished else "Not finished: the same command goes on.")


def study(options: argparse.Namespace) -> None:
    """Run the study, or a part of it, and publish the record when it is whole."""
    from audiosr_lib.study import record, report

    everything = paths.notebooks()
    chosen = [n for n in everything if n.name[:2] == options.only] if options.only else everything
    chosen = [n for n in chosen if not options.first or n.name[:2] >= options.first]
    corpus_argument = _as_path(options.corpus or profiles.get(options.profile).corpus)
    parameters = {"profile": options.profile, "corpus": corpus_argument, "seed": options.seed, "device": options.device}
    check_parameters(everything, parameters)
    device = device_for(options.device)
    started = time.perf_counter()
    corpus = prepare_corpus(corpus_argument)
    if any(n.name[:2] == UNSEEN_IN for n in chosen):
        prepare_unseen(profiles.get(options.profile).unseen_beside(corpus))
    if len(chosen) == len(everything):
        start_afresh(options.profile)
    seconds = run_notebooks(chosen, options.profile, parameters)
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
    print_summary(chosen, seconds, manifest)
    if folder is not None:
        closing += f"\nThe report, for any browser: {paths.shown(report.build(folder))}"
    took = time.perf_counter() - started
    print(f"{closing}\nProfile {options.profile}, corpus {corpus}, seed {options.seed}, {device}, {took:.0f} s in all")


def print_summary(notebooks: list[Path], seconds: dict[str, float], artifacts: list[dict]) -> None:
    """Print the closing table: what each notebook made and how long it took."""
    print(f"\n{'notebook':<28}{'seconds':>8}  made")
    for notebook in notebooks:
        made = [a["id"] for a in artifacts if a["notebook"] == notebook.stem]
        clips = sum(m.startswith("clip-") for m in made)
        listed = [m for m in made if not m.startswith(("clip-", "data-"))] + ([f"{clips} clips"] if clips else [])
        print(f"{notebook.stem:<28}{seconds[notebook.stem]:>8.1f}  {', '.join(listed) or '-'}")


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status of run_all.sh."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.check:
        return 0
    if options.test:
        return subprocess.call([sys.executable, str(paths.REPOSITORY / "tests" / "suite.py")])
    if options.lab:
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(paths.REPOSITORY / "notebooks")])
    try:
        train_a_piece(options) if options.minutes else study(options)
    except StudyError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What is done is kept: start again, or go on with --from NN.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
