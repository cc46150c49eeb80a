"""The command behind run_all.sh: data, notebooks in order, record, tests.

run_all.sh calls this module twice: first with ``--check`` before any package is installed, so that a wrong option ends at once (therefore
only the standard library is imported at the top); then for the work, inside the environment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from audiosr_lib.base import files, paths, profiles
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import corpora
from audiosr_lib.study.execution import Failure, check_parameters, run_notebooks

UNSEEN_IN = "11"  # the notebook that tests on corpora that are not trained on
SHOWN = "shown"  # this file in a training's folder means that its record is published, so the next whole run trains again
HELP_END = """examples:
  ./run_all.sh                                the study on real speech, 13 to 25 minutes on two cores
  ./run_all.sh --profile smoke                the whole study on synthetic signals, without internet
  ./run_all.sh --profile coursework --device cuda
  ./run_all.sh --corpus ~/recordings          your own full-band recordings, one sub-folder for each speaker
  ./run_all.sh --from 09                      continue after a failure
  ./run_all.sh --profile coursework --minutes 9   train for 9 minutes; repeat it to continue
  ./run_all.sh --lab                          open the notebooks in JupyterLab
  ./run_all.sh --test                         the tests"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of run_all.sh. If one is wrong, argparse prints the allowed values and ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="./run_all.sh", allow_abbrev=False, epilog=HELP_END, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the audio super-resolution study and collect its figures, tables and clips.",
    )  # fmt: skip
    add, numbers = parser.add_argument, [p.name[:2] for p in paths.notebooks()]
    add("--profile", choices=list(profiles.PROFILES), default="quick", help="size of the study (default: quick)")
    add("--corpus", default="", metavar="tuxpaint|vctk|FOLDER", type=_corpus, help="recordings (default: the profile's corpus)")
    add("--device", choices=DEVICES, default="auto", help="device of the networks (default: CUDA if there is a GPU)")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--from", choices=numbers, dest="first", metavar="NN", help=f"start at this notebook: {' '.join(numbers)}")
    part.add_argument("--only", choices=numbers, metavar="NN", help="run this notebook alone")
    part.add_argument("--minutes", type=_minutes, metavar="N", help="only train, for N minutes; repeat the command to continue")
    add("--seed", type=_seed, default=0, metavar="N", help="seed of all random numbers (default: 0)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--lab", action="store_true", help="open JupyterLab, without a run")
    action.add_argument("--test", action="store_true", help="run the tests, without a run of the study")
    add("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.corpus = options.corpus or profiles.get(options.profile).corpus
    return options


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 0")
    return int(text)


def _minutes(text: str) -> float:
    with suppress(ValueError):
        if 0 < float(text) < float("inf"):
            return float(text)
    raise argparse.ArgumentTypeError(f"--minutes must be a positive number, got {text!r}")


def _corpus(text: str) -> str:
    names, folder = corpora.names_to_train_on(), Path(text).expanduser()
    if not text or text in names:
        return text
    if text in corpora.entries():
        raise argparse.ArgumentTypeError(f"{text!r} is for testing only, not for training: choose {', '.join(names)} or a folder")
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is neither an existing folder nor one of {', '.join(names)}")
    return str(folder.resolve())


def prepare_corpus(name: str) -> str:
    """Fetch and prepare a corpus, print its size, and return the name of its prepared folder."""
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
    """Fetch and prepare corpora for testing only. If one is not available, print why and continue with the next."""
    for name in names:
        try:
            prepare_corpus(name)
        except (StudyError, OSError) as error:
            why = " ".join(str(error).rpartition("\n\n")[2].split())  # the last paragraph; the others explain how to train
            print(f"Corpus {name}: not available, so notebook {UNSEEN_IN} leaves that part out. {why}", flush=True)


def start_afresh(profile: str) -> None:
    """Prepare a whole run: delete the unpublished record, and move a training aside if it belongs to a published record."""
    for folder in (paths.staging(profile), paths.build(profile) / "logs"):
        shutil.rmtree(folder, ignore_errors=True)
    (paths.build(profile) / "seconds.json").unlink(missing_ok=True)
    training = paths.build(profile) / "training"
    if (training / SHOWN).exists():
        print(f"The training of the last record is now in {paths.shown(files.move_aside(training))}; delete it to free the space.")


def train_a_piece(options: argparse.Namespace) -> None:
    """Train for some minutes or to the end, and print how to continue."""
    import torch

    from audiosr_lib.training import cli

    device = device_for(options.device)
    corpus = prepare_corpus(options.corpus)
    if (paths.build(options.profile) / "training" / SHOWN).exists():
        start_afresh(options.profile)
    try:
        result = cli.run(options.profile, corpus, options.seed, device, options.minutes)
    except torch.OutOfMemoryError as error:
        raise Failure(cli.explained(error)) from error
    print("Training is finished: run the study, without --minutes." if result.finished else "Not finished: repeat the command to continue.")


def study(options: argparse.Namespace) -> None:
    """Run all or some notebooks, and publish the record when it is complete."""
    from audiosr_lib.study import record, report

    profile, everything = options.profile, paths.notebooks()
    first, last = (options.only, options.only) if options.only else (options.first or "00", "99")
    chosen = [n for n in everything if first <= n.name[:2] <= last]
    parameters = {"profile": profile, "corpus": options.corpus, "seed": options.seed, "device": options.device}
    check_parameters(everything, parameters)
    device = device_for(options.device)
    started = time.perf_counter()
    corpus = prepare_corpus(options.corpus)
    if any(n.name[:2] == UNSEEN_IN for n in chosen):
        prepare_unseen(profiles.get(profile).unseen_beside(corpus))
    if len(chosen) == len(everything):
        start_afresh(profile)
    seconds = run_notebooks(chosen, profile, parameters)
    print_summary(chosen, seconds, [a for f in record.fragments(profile).values() for a in f["artifacts"]])
    same = {"profile": profile, "corpus": corpus, "seed": options.seed}
    try:
        folder = record.publish(profile, same, seconds, device, [n.stem for n in everything])
        files.write_text(paths.build(profile) / "training" / SHOWN, "its record is published\n")
        print(f"The record: {paths.shown(folder)}/ (start with manifest.json and notebooks/)")
        print(f"The report, for any browser: {paths.shown(report.build(folder))}")
    except record.RecordError as reason:
        print(f"Not published: {reason}")
    print(f"Profile {profile}, corpus {corpus}, seed {options.seed}, {device}, {time.perf_counter() - started:.0f} s in all")


def print_summary(notebooks: list[Path], seconds: dict[str, float], artifacts: list[dict]) -> None:
    """Print what each notebook made and how long it took."""
    print(f"\n{'notebook':<28}{'seconds':>8}  made")
    for notebook in notebooks:
        made = [a["id"] for a in artifacts if a["notebook"] == notebook.stem]
        clips = sum(m.startswith("clip-") for m in made)
        listed = [m for m in made if not m.startswith(("clip-", "data-"))] + ([f"{clips} clips"] if clips else [])
        print(f"{notebook.stem:<28}{seconds[notebook.stem]:>8.1f}  {', '.join(listed) or '-'}")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
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
        print("\nInterrupted. Finished notebooks are kept: start again, or continue with --from NN.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
