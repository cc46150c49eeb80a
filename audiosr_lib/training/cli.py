"""Training on the command line, on one or several GPUs. ``python -m audiosr_lib.training.cli --network light --minutes 9``

Each call resumes where the last one stopped, also on another machine to which build/<profile>/trainings was copied. Notebook 08 then
shows the finished training. Several GPUs: ``torchrun --nproc-per-node 4 -m audiosr_lib.training.cli --profile coursework``.
"""

from __future__ import annotations

import argparse
import sys
import time

from tqdm import tqdm

from audiosr_lib.base import checkpoints, profiles, provenance
from audiosr_lib.base.device import DEVICES, device_for
from audiosr_lib.base.errors import run_command
from audiosr_lib.data import corpora
from audiosr_lib.data import options as types
from audiosr_lib.training import checkpoint, distributed, loop, networks
from audiosr_lib.training.config import TrainingConfig, TrainingResult


def run(profile: str, corpus: str, seed: int, device: str, minutes: float | None, network: str = "unet") -> TrainingResult:
    """Train in the folder that the notebooks use, for some minutes or to the end, and return the result.

    Raise the errors of `train`, and NotPrepared if the corpus is not prepared.
    """
    chosen = profiles.get(profile)
    name = corpora.open_corpus(corpus or profiles.training_of(chosen, network).corpus).name
    config = TrainingConfig.of(chosen, name, seed, device, network)
    rank, world = distributed.rank_and_world()
    directory = checkpoint.directory_of(config, profile)
    with tqdm(total=config.steps, desc=f"Training {network}", disable=rank > 0, mininterval=1.0) as bar:

        def show(step: int, losses: dict[str, float]) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{losses['loss']:.3f}", refresh=False)

        result = loop.train(config, directory, device=device, commit=provenance.git_commit(), minutes=minutes, on_step=show)
    if rank == 0:
        rate = config.batch_size * config.crop_seconds * result.ran_steps / result.piece_seconds if result.ran_steps else 0.0
        on = f"{device}, {world} processes" if world > 1 else device
        print(f"Step {result.step} of {config.steps}, best at {result.best_step}; {rate:.0f} s of audio a second on {on}", flush=True)
    return result


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if the training is finished, 3 if it is not, 1 on an error. Under torchrun return 0, not 3, which it takes for a failure."""
    parser = argparse.ArgumentParser(prog="python -m audiosr_lib.training.cli", description="Train a network of a profile, or continue.")
    parser.add_argument("--network", choices=list(networks.NETWORKS), default="unet")
    parser.add_argument("--profile", choices=list(profiles.PROFILES), help="default: quick; for the light network: overnight")
    parser.add_argument("--corpus", type=types.corpus, default="", help="recordings (default: those of the profile)")
    parser.add_argument("--seed", type=types.seed, default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--minutes", type=types.minutes, help="stop after this time; the next call continues")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    options.profile = options.profile or profiles.default(options.network)
    started = time.time()

    def kept() -> str:
        saved = checkpoints.saved_since(options.profile, started)
        return f"Kept: {saved}. Repeat the command to continue." if saved else ""

    def work() -> int:
        device = device_for(options.device)
        world = distributed.join(device)[1]
        result = run(options.profile, options.corpus, options.seed, device, options.minutes, options.network)
        distributed.leave()
        return 0 if result.finished or world > 1 else 3

    return run_command(work, debug=options.debug, kept=kept)


if __name__ == "__main__":
    sys.exit(main())
