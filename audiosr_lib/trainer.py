"""Training without a notebook, in pieces if wanted, on several GPUs if there are. ``python -m audiosr_lib.trainer --minutes 9``

Each call goes on where the last one stopped, also on another machine that was given build/<profile>/training. Notebook 08 then finds the
training finished and shows it. Several GPUs: ``torchrun --nproc-per-node 4 -m audiosr_lib.trainer --profile coursework``.
"""

from __future__ import annotations

import argparse
import sys

import torch

from audiosr_lib import corpora, engine, parallel, paths, profiles, record, training
from audiosr_lib.dataset import NotPrepared
from audiosr_lib.training import TrainingConfig, TrainingDiverged


def run(profile: str, corpus: str, seed: int, device: str, minutes: float | None) -> training.TrainingResult:
    """Train a piece, in the folder that notebook 08 uses; prints how far it is.

    Raises
    ------
    NotPrepared : the corpus is not prepared. TrainingDiverged : as in `training.train`.
    """
    chosen = profiles.get(profile)
    name = corpora.open_corpus(corpus or chosen.corpus).name
    config = TrainingConfig.of(chosen, name, seed, device)
    rank, world = parallel.share()
    result = training.train(config, paths.build(profile) / "training", device=device, commit=record.git_commit(), minutes=minutes)
    if rank == 0:
        rate = config.batch_size * config.crop_seconds * result.ran_steps / result.piece_seconds if result.ran_steps else 0.0
        shared = f", {world} processes" if world > 1 else ""
        print(
            f"step {result.step} of {config.steps}, best at {result.best_step}; {rate:.0f} s of audio a second on {device}{shared}",
            flush=True,
        )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 when the training is finished, 3 when a piece is (0 under torchrun, which knows no third), 1 on an error."""
    parser = argparse.ArgumentParser(prog="python -m audiosr_lib.trainer", description="Train the U-Net of a profile, or go on training.")
    parser.add_argument("--profile", choices=list(profiles.PROFILES), default="quick")
    parser.add_argument("--corpus", default="", help="default: the profile's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--minutes", type=float, help="end after so long; the next call goes on")
    options = parser.parse_args(arguments)
    if options.minutes is not None and not options.minutes > 0:
        parser.error(f"--minutes {options.minutes:g} is no time: give more than 0")
    try:
        device = engine.device_for(options.device)
        world = parallel.join(device)[1]
        result = run(options.profile, options.corpus, options.seed, device, options.minutes)
        parallel.leave()
    except (engine.NoGPU, NotPrepared, corpora.CorpusError, TrainingDiverged, training.ApartError, torch.OutOfMemoryError) as error:
        print(training.explained(error), file=sys.stderr)
        return 1
    return 0 if result.finished or world > 1 else 3


if __name__ == "__main__":
    sys.exit(main())
