"""Types of command-line options, for argparse. A wrong value ends the command before anything starts, with status 2."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path

from audiosr_lib.base import paths
from audiosr_lib.data import corpora

STANDS_IN = "AUDIOSR_STANDS_IN"  # environment variable: the folder in which the user called run_all.sh, which changes to its own
SEEDS = 2**32  # NumPy and PyTorch take more, but other libraries do not


def seed(text: str) -> int:
    """Return a seed, 0 .. 2^32 - 1."""
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) < SEEDS):
        raise ArgumentTypeError(f"{text!r} is not a whole number from 0 to {SEEDS - 1}")
    return int(text)


def minutes(text: str) -> float:
    """Return a time in minutes, positive and finite."""
    if not (re.fullmatch(r"[0-9]{0,9}\.?[0-9]{0,9}", text) and text.strip(".") and float(text) > 0):
        raise ArgumentTypeError(f"{text!r} is not a positive number of minutes")
    return float(text)


def corpus(text: str) -> str:
    """Return the name of a corpus to train on, or the absolute path of a folder; a relative path begins where the user stands.

    Several, joined by "+", combine.
    """
    names = corpora.names_to_train_on()
    if not text or text in names:
        return text
    if "+" in text and not (Path(os.environ.get(STANDS_IN) or ".") / Path(text).expanduser()).is_dir():
        parts = [part if part in corpora.entries() else corpus(part) for part in corpora.parts_of(text) if part]
        try:
            corpora.open_corpus("+".join(parts) or "+")
        except corpora.CorpusError as error:
            raise ArgumentTypeError(str(error)) from None
        return "+".join(parts)
    if corpora.splits_of(corpora.entries().get(text, {})) == ("train",):
        raise ArgumentTypeError(f"{text!r} has no speakers for validation and test: give it beside another, as in {names[0]}+{text}")
    if text in corpora.entries():
        raise ArgumentTypeError(f"{text!r} is for testing only, not for training: choose {', '.join(names)} or a folder")
    with suppress(OSError, RuntimeError):  # a name that is too long; ~ of an unknown user
        folder = Path(os.environ.get(STANDS_IN) or ".") / Path(text).expanduser()
        if folder.is_dir():
            return str(folder.resolve())
    if text.startswith("folder-") and (paths.prepared(text) / "corpus.json").exists():  # a folder's corpus, by its name
        return text
    raise ArgumentTypeError(f"{text!r} is neither an existing folder nor one of {', '.join(names)}")
