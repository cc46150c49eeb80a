"""The trained networks there are: those in data/weights, which the repository publishes, and those that were trained on this machine."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from audiosr_lib.base import checkpoints, files, paths, profiles
from audiosr_lib.base.errors import NotPrepared

DEFAULT = "unet"


def file(name: str) -> Path:
    """Return the file of a published network."""
    return paths.weights() / f"{name}.safetensors"


def published() -> dict[str, Path]:
    """Return the file of each published network by its name, such as "unet"."""
    return {card.stem: file(card.stem) for card in sorted(paths.weights().glob("*.json"))}


def known() -> dict[str, Path]:
    """Return the file of each network by its name: the published ones, then those that were trained last on this machine.

    A U-Net has the name of the profile that trained it, a light network has "-light" after that.
    """
    own = {(profile, kind): checkpoints.network(profile, kind) for profile in profiles.PROFILES for kind in ("unet", "light")}
    return published() | {profile + "-light" * (kind == "light"): best for (profile, kind), best in own.items() if best}


def find(network: str) -> Path:
    """Return the file of a network, given its name or its path. Raises NotPrepared, with the names there are, if there is none."""
    names = known()
    if network in names:
        return names[network]
    if (own := Path(network).expanduser()).is_file():
        return own
    there = f"The networks here are {', '.join(names)}." if names else "No network is trained on this machine: run ./run_all.sh first."
    raise NotPrepared(f"There is no network {network!r}. {there}")


def card(name: str) -> dict:
    """Return what is known of a published network: config, corpora and licences, steps, hours, measures on each test set, limits."""
    return files.read_json(paths.weights() / f"{name}.json", "sha256", "config", "test_sets")


def history(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how a published network came about.

    Returns
    -------
    log : one row for each validation: step, seconds of training at its median pace, the four validation losses, and as train_... the
        mean of the training losses since the validation before.
    by_time : one row for each test set and each kept checkpoint: test_set, step, seconds, and measures.
    """
    return tuple(pd.read_csv(paths.weights() / f"{name}-{what}.csv") for what in ("log", "by-time"))
