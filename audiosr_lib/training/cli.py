"""Training on the command line, on one or several GPUs. ``python -m audiosr_lib.training.cli --minutes 9``

Each call resumes where the last one stopped, also on another machine to which build/<profile>/training was copied. Notebook 08 then
shows the finished training. Several GPUs: ``torchrun --nproc-per-node 4 -m audiosr_lib.training.cli --profile coursework``.
"""

from __future__ import annotations

import argparse
import sys

import torch

from audiosr_lib.base import paths, profiles, provenance
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import StudyError
from audiosr_lib.data import corpora
from audiosr_lib.training import distributed, loop
from audiosr_lib.training.config import TrainingConfig, TrainingResult


def run(profile: str, corpus: str, seed: int, device: str, minutes: float | None) -> TrainingResult:
    """Train in the folder that notebook 08 uses, for some minutes or to the end, and return the result.

    Raise the errors of `train`, and NotPrepared if the corpus is not prepared.
    """
    chosen = profiles.get(profile)
    name = corpora.open_corpus(corpus or chosen.corpus).name
    config = TrainingConfig.of(chosen, name, seed, device)
    rank, world = distributed.rank_and_world()
    result = loop.train(config, paths.build(profile) / "training", device=device, commit=provenance.git_commit(), minutes=minutes)
    if rank == 0:
        rate = config.batch_size * config.crop_seconds * result.ran_steps / result.piece_seconds if result.ran_steps else 0.0
        on = f"{device}, {world} processes" if world > 1 else device
        print(f"Step {result.step} of {config.steps}, best at {result.best_step}; {rate:.0f} s of audio a second on {on}", flush=True)
    return result


def explained(error: Exception) -> str:
    """Return the message of an error, with a remedy if GPU memory ran out."""
    if not isinstance(error, torch.OutOfMemoryError):
        return str(error)
    return f"The memory of the GPU is too small for this profile: use --profile quick, or --device cpu. {str(error).partition(chr(10))[0]}"


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if the training is finished, 3 if it is not, 1 on an error. Under torchrun return 0, not 3, which it takes for a failure."""
    parser = argparse.ArgumentParser(prog="python -m audiosr_lib.training.cli", description="Train the U-Net of a profile, or continue.")
    parser.add_argument("--profile", choices=list(profiles.PROFILES), default="quick")
    parser.add_argument("--corpus", default="", help="recordings (default: those of the profile)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--minutes", type=float, help="stop after this time; the next call continues")
    options = parser.parse_args(arguments)
    if options.minutes is not None and not options.minutes > 0:
        parser.error(f"--minutes must be positive, got {options.minutes:g}")
    try:
        device = device_for(options.device)
        world = distributed.join(device)[1]
        result = run(options.profile, options.corpus, options.seed, device, options.minutes)
        distributed.leave()
    except (StudyError, torch.OutOfMemoryError) as error:
        print(explained(error), file=sys.stderr)
        return 1
    return 0 if result.finished or world > 1 else 3


if __name__ == "__main__":
    sys.exit(main())
