"""The command behind run_all.sh: data, notebooks in order, record, tests.

run_all.sh calls this module twice: first with ``--check`` before any package is installed, so that a wrong option ends at once (therefore
only the standard library is imported at the top); then for the work, inside the environment.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from audiosr_lib.base import checkpoints, files, paths, profiles
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import StudyError, explained, run_command
from audiosr_lib.data import corpora
from audiosr_lib.data import options as types
from audiosr_lib.study.execution import again, check_parameters, run_notebooks

TESTED_IN = ("10", "11")  # the notebooks that test on further corpora
HELP_END = """examples:
  ./run_all.sh                                the study on real speech, about 15 minutes on two cores
  ./run_all.sh --profile smoke                the whole study on synthetic signals, without internet
  ./run_all.sh --profile coursework --device cuda
  ./run_all.sh --corpus ravdess+alnum         other recordings, here two corpora together
  ./run_all.sh --corpus ~/recordings          your own full-band recordings, one sub-folder for each speaker
  ./run_all.sh --from 09                      continue after a failure
  ./run_all.sh --profile coursework --minutes 9   train for 9 minutes; repeat it to continue
  ./run_all.sh --network light                train the light network, about twenty minutes on two cores
  ./run_all.sh --seed 5 --forget              delete the training with seed 5; the next run trains again
  ./run_all.sh --lab                          open the notebooks in JupyterLab
  ./run_all.sh --test                         the tests"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of run_all.sh. If one is wrong, argparse prints the allowed values and ends the program with status 2."""
    parser = argparse.ArgumentParser(
        prog="./run_all.sh", allow_abbrev=False, epilog=HELP_END, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run the audio super-resolution study and collect its figures, tables and clips.",
    )  # fmt: skip
    add, numbers = parser.add_argument, [p.name[:2] for p in paths.notebooks()]
    add("--profile", choices=list(profiles.PROFILES), help="size of the study (default: quick; overnight with --network light)")
    add(
        "--corpus",
        default="",
        metavar="NAME|FOLDER",
        type=types.corpus,
        help="recordings: names and folders, combined by + (default: the profile's corpus)",
    )
    add("--device", choices=DEVICES, default="auto", help="device of the networks (default: CUDA if there is a GPU)")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--from", choices=numbers, dest="first", metavar="NN", help=f"start at this notebook: {' '.join(numbers)}")
    part.add_argument("--only", choices=numbers, metavar="NN", help="run this notebook alone")
    part.add_argument("--minutes", type=types.minutes, metavar="N", help="only train, for N minutes; repeat the command to continue")
    add("--network", choices=("unet", "light"), default="unet", help="light: only train the light network")
    part.add_argument("--forget", nargs="?", const=True, metavar="TRAINING", help="delete the training of these options, or the named one")
    part.add_argument("--lab", action="store_true", help="open JupyterLab, without a run")
    part.add_argument("--test", action="store_true", help="run the tests, without a run of the study")
    add("--seed", type=types.seed, default=0, metavar="N", help="seed of all random numbers (default: 0)")
    add("--debug", action="store_true", help="show the traceback of an error")
    add("--check", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if (options.lab or options.test) and (extra := [a for a in arguments if a not in ("--lab", "--test", "--debug", "--check")]):
        parser.error(f"--lab and --test go without {' '.join(extra)}")
    if options.forget == "":
        parser.error("argument --forget: an empty name")
    if options.network == "light" and (options.first or options.only):
        parser.error("--network light only trains: it goes without --from and --only")
    options.profile = options.profile or profiles.default(options.network)
    options.corpus = options.corpus or profiles.training_of(profiles.get(options.profile), options.network).corpus
    return options


def prepare_corpus(name: str) -> str:
    """Fetch and prepare a corpus, print its size, and return the name of its prepared folder."""
    from audiosr_lib.data import dataset, preparation

    corpus = corpora.open_corpus(name)
    ready = all(preparation.is_prepared(paths.prepared(part.name)) for part in corpus.parts)
    if not ready:
        print(f"Fetching and preparing the corpus {corpus.name} (only the first time) ...", flush=True)
    started = time.perf_counter()
    preparation.make_ready(corpus)
    about = dataset.summary(corpus.name)
    hours = sum(about["seconds"].values()) / 3600
    took = "" if ready else f" in {time.perf_counter() - started:.0f} s"
    print(f"Corpus {corpus.name}: {sum(about['utterances'].values())} utterances, {hours:.2f} hours, ready{took}", flush=True)
    return corpus.name


def prepare_unseen(chosen: profiles.Profile, corpus: str) -> None:
    """Fetch and prepare further corpora to test on. If one is not available, print why and continue with the next."""
    for name in chosen.beside(corpus):
        if name in chosen.if_here and not paths.raw(name).exists() and not paths.prepared(name).exists():
            how = f"To test on it, too: ./run_all.sh --corpus {name} --only 07"
            print(f"Corpus {name}: not on this machine, and this profile does not fetch it. {how}", flush=True)
            continue
        try:
            prepare_corpus(name)
        except (StudyError, OSError) as error:
            why = " ".join(explained(error).rpartition("\n\n")[2].split())  # the last paragraph; the others explain how to train
            print(f"Corpus {name}: not available, so notebooks {' and '.join(TESTED_IN)} leave it out. {why}", flush=True)


def check_writable(profile: str) -> None:
    """Raise OSError, with the folder's name, if a folder that the run writes to cannot be written."""
    for folder in (paths.home() / "data", paths.build(profile), paths.figures(profile).parent):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def parameters_of(options: argparse.Namespace) -> dict:
    """Return the parameters of the notebooks."""
    return {"profile": options.profile, "corpus": options.corpus, "seed": options.seed, "device": options.device}


def train_a_piece(options: argparse.Namespace) -> None:
    """Train for some minutes, or to the end, and print how to continue."""
    from audiosr_lib.training import cli

    device = device_for(options.device)
    prepare_corpus(options.corpus)
    result = cli.run(options.profile, options.corpus, options.seed, device, options.minutes, options.network)
    parameters = parameters_of(options)
    if result.finished and options.network == "light":
        print(f"Training is finished. To use it: audiosr IN.wav OUT.wav --network {options.profile}-light")
    elif result.finished:
        print(f"Training is finished. The study takes it: {again(parameters)}")
    else:
        print(f"Not finished. To continue: {again(parameters, *piece_of(options))}")


def piece_of(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options of a command that only trains."""
    network = ("--network", options.network) if options.network != "unet" else ()
    return (*network, "--minutes", f"{options.minutes:g}") if options.minutes else network


def forget(options: argparse.Namespace) -> None:
    """Delete the named training, or that of the profile, corpus and seed, and list the others."""
    from audiosr_lib.training import checkpoint
    from audiosr_lib.training.config import TrainingConfig

    known = {folder.name: folder for folder in checkpoints.trainings(options.profile)}
    name = options.forget
    if name is True:
        corpus = corpora.open_corpus(options.corpus).name
        config = TrainingConfig.of(profiles.get(options.profile), corpus, options.seed, network=options.network)
        name = checkpoint.directory_of(config, options.profile).name
    listed = "".join(f"\n  {n}: {checkpoints.progress(folder)}" for n, folder in known.items() if n != name)
    others = f"Other trainings of this profile:{listed}" if listed else "There is no other training of this profile."
    if name not in known:
        raise StudyError(f"There is no training {name} of the profile {options.profile}. {others}")
    checkpoint.forget(known[name])
    print(f"Deleted the training {name}. {others}")


def study(options: argparse.Namespace) -> None:
    """Run all or some notebooks, and publish the record when it is complete."""
    from audiosr_lib.study import record, report

    profile, begins = options.profile, profiles.get(options.profile).first
    everything = [n for n in paths.notebooks() if n.name[:2] >= begins]  # what the record of this profile holds
    first, last = (options.only, options.only) if options.only else (options.first or begins, "99")
    chosen = [n for n in paths.notebooks() if first <= n.name[:2] <= last]
    parameters = parameters_of(options)
    check_parameters(everything, parameters)
    device = device_for(options.device)
    started = time.perf_counter()
    corpus = prepare_corpus(options.corpus)
    if any(n.name[:2] in TESTED_IN for n in chosen):
        prepare_unseen(profiles.get(profile), corpus)
    if first <= begins and not options.only:
        for leftover in paths.staging(profile).rglob("*.part"):  # of a run that was killed
            leftover.unlink()
        files.write_json(paths.build(profile) / "seconds.json", {})  # a record holds no notebook of an earlier run
    seconds = run_notebooks(chosen, profile, parameters)
    print_summary(chosen, seconds, [a for f in record.fragments(profile).values() for a in f["artifacts"]])
    same = {"profile": profile, "corpus": corpus, "seed": options.seed}
    try:
        folder = record.publish(profile, same, seconds, device, [n.stem for n in everything])
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


def kept(options: argparse.Namespace, started: float) -> str:
    """Return what an interrupted command has left, and the command that continues. `started` is the time of its start, as time.time()."""
    said = ["Downloads and prepared recordings"]
    times = paths.build(options.profile) / "seconds.json"
    done = sorted(files.read_json(times)) if times.exists() and times.stat().st_mtime >= started else []
    if done:
        said.append(f"the notebooks {', '.join(name[:2] for name in done)}")
    if saved := checkpoints.saved_since(options.profile, started):
        said.append(saved)
    first = next((n.name[:2] for n in paths.notebooks() if n.stem not in done), "") if done else options.first
    part = {"--from": first, "--only": options.only}
    more = piece_of(options) or next(((option, value) for option, value in reversed(part.items()) if value), ())
    return f"Kept: {', '.join(said)}. To continue: {again(parameters_of(options), *more)}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    started = time.time()
    if options.check:
        return 0
    if options.lab:
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(paths.REPOSITORY / "notebooks")])
    if options.test:
        suite = [sys.executable, str(paths.REPOSITORY / "tests" / "suite.py")]
        return run_command(lambda: subprocess.call(suite), debug=options.debug)

    def work() -> int:
        check_writable(options.profile)
        files.restore(paths.figures(options.profile))
        with files.only_one(paths.home() / "build" / "lock", "this folder"):
            trains = options.minutes or options.network == "light"
            action = forget if options.forget is not None else train_a_piece if trains else study
            action(options)
        return 0

    left = (lambda: "") if options.forget is not None else (lambda: kept(options, started))
    return run_command(work, debug=options.debug, kept=left)


if __name__ == "__main__":
    sys.exit(main())
