"""Prepared pairs, read from memory-mapped files, and the crops of a training step.

A batch depends only on (seed, step), so a resumed run sees the same crops as an uninterrupted one. Each epoch visits the utterances
in a new random order, each at a random even start: sample 2n at 44.1 kHz is sample n at 22.05 kHz. Notebook 07.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np

from audiosr_lib.base import files, paths
from audiosr_lib.base.constants import FULL_SCALE, SR_HIGH
from audiosr_lib.base.errors import NotPrepared, StudyError
from audiosr_lib.data import corpora


@dataclass(frozen=True)
class Utterance:
    """The position of an utterance in the arrays of its split."""

    name: str
    speaker: str
    offset: int
    length: int

    @property
    def seconds(self) -> float:
        return self.length / SR_HIGH


def summary(corpus: str) -> dict:
    """Return corpus.json of a prepared corpus: hash, and speakers, counts and seconds by split. Raises NotPrepared if there is none."""
    file = paths.prepared(corpus) / "corpus.json"
    if not file.exists():
        name = "FOLDER" if corpus.startswith("folder-") else corpus
        how = f"Run notebook 07_data_preparation or the command ./run_all.sh --corpus {name} --only 07, then try again."
        if name == "FOLDER":
            how += " FOLDER is the path of your recordings."
        if corpora.splits_of(corpora.registry().get(corpus, {})) != corpora.SPLITS:
            how = "It is used only for testing, in notebook 11: ./run_all.sh --only 11 fetches and prepares it."
        raise NotPrepared(f"the corpus {corpus!r} is not prepared on this machine. {how}")
    return files.read_json(file, "content_sha256", "speakers", "utterances", "seconds", "fingerprint")


def _evenly_spread(items: list[int], count: int | None) -> list[int]:
    """Return `count` items evenly spread over the list; all items if it has fewer or `count` is None."""
    n = len(items) if count is None else min(count, len(items))
    return [items[(2 * k + 1) * len(items) // (2 * n)] for k in range(n)]


class PairedSplit:
    """One split of a prepared corpus: low-resolution inputs x and targets y, both at 44.1 kHz.

    `utterances` lists the pairs in a fixed order. The files are memory-mapped, so opening a split reads no samples.
    Raises NotPrepared if the corpus is not prepared, and ValueError if it does not have the split.
    """

    def __init__(self, corpus: str, split: str) -> None:
        splits = summary(corpus)["speakers"]
        if split not in splits:
            raise ValueError(f"the corpus {corpus!r} has no split {split!r}: choose one of {', '.join(splits)}")
        folder = paths.prepared(corpus)
        self.corpus, self.split = corpus, split
        try:
            with open(folder / "index.csv", newline="", encoding="utf-8") as f:
                rows = (r for r in csv.DictReader(f) if r["split"] == split)
                self.utterances = [Utterance(r["name"], r["speaker"], int(r["offset"]), int(r["length"])) for r in rows]
        except (FileNotFoundError, KeyError, ValueError, TypeError):
            self.utterances = []
        total = sum(u.length for u in self.utterances)
        sides = [folder / f"{split}_{side}.i16" for side in "xy"]
        if not all(f.exists() and f.stat().st_size == 2 * total > 0 for f in sides):
            raise NotPrepared(f"the prepared files of {corpus!r} do not match their index: delete {paths.shown(folder)} and prepare again")
        self._x, self._y = (np.memmap(f, dtype="<i2", mode="r") for f in sides)

    def __len__(self) -> int:
        return len(self.utterances)

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all samples of x and of y, ``(total,)`` int16 each, memory-mapped; an utterance begins at its offset."""
        return self._x, self._y

    def read(self, index: int, start: int = 0, length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return `length` samples (None: to the end) of x and of y from the even sample `start`, ``(T,)`` float32 in [-1, 1) each.

        Raises ValueError if `start` is odd or the samples are not all inside the utterance.
        """
        u = self.utterances[index]
        length = u.length - start if length is None else length
        if start % 2:
            raise ValueError(f"start {start} is odd: the 22.05 kHz signal has no sample there")
        if start < 0 or length < 0 or start + length > u.length:
            raise ValueError(f"{u.name} has {u.length} samples: {start} .. {start + length} is not inside")
        here = slice(u.offset + start, u.offset + start + length)
        return self._x[here].astype(np.float32) / FULL_SCALE, self._y[here].astype(np.float32) / FULL_SCALE

    def by_speaker(self) -> dict[str, list[int]]:
        """Return the indices of the utterances of each speaker."""
        table: dict[str, list[int]] = {}
        for i, u in enumerate(self.utterances):
            table.setdefault(u.speaker, []).append(i)
        return table

    def spread(self, per_speaker: int | None, min_length: int = 0) -> list[int]:
        """Return evenly spread indices: up to `per_speaker` (None: all) utterances of each speaker with at least `min_length` samples."""
        chosen = []
        for indices in self.by_speaker().values():
            chosen += _evenly_spread([i for i in indices if self.utterances[i].length >= min_length], per_speaker)
        return chosen


def _stack(split: PairedSplit, places: list[tuple[int, int]], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the crops at (utterance, start), inputs and targets, ``(B, 1, length)`` each."""
    x, y = zip(*(split.read(i, start, length) for i, start in places), strict=True)
    return np.stack(x)[:, None], np.stack(y)[:, None]


class CropError(StudyError, ValueError):
    """Recordings and settings that make no batch."""


class Crops:
    """Random crops of a split, as batches that depend only on seed and step.

    Utterances shorter than a crop are not drawn, because padding would teach the network silence; `too_short` counts them.

    Parameters
    ----------
    split : prepared pairs.
    batch_size : crops per step.
    crop_length : samples per crop, even.
    seed : seed of the order and of the starts.
    share : (rank, world); this process reads part `rank` of the `world` equal parts of every batch.

    Raises
    ------
    CropError : `batch_size` is not divisible by `world`, or every utterance is shorter than a crop.
    ValueError : `crop_length` is odd or below 2.
    """

    def __init__(self, split: PairedSplit, batch_size: int, crop_length: int, seed: int, share: tuple[int, int] = (0, 1)) -> None:
        rank, world = share
        if batch_size % world:
            raise CropError(f"{batch_size} crops cannot be split equally among {world} processes: choose a divisor of {batch_size}")
        self.own = slice(rank * batch_size // world, (rank + 1) * batch_size // world)
        if crop_length < 2 or crop_length % 2:
            raise ValueError(f"crop_length must be even and at least 2 samples, got {crop_length}")
        self.split, self.batch_size, self.crop_length, self.seed = split, batch_size, crop_length, seed
        self.eligible = [i for i, u in enumerate(split.utterances) if u.length >= crop_length]
        self.too_short = len(split) - len(self.eligible)
        self._shuffled: tuple[int, np.ndarray] = (-1, np.empty(0))  # epoch of the last draw, and its order
        if not self.eligible:
            longest = max((u.seconds for u in split.utterances), default=0.0)
            raise CropError(
                f"no utterance of {split.corpus}/{split.split} is as long as a crop of {crop_length / SR_HIGH:.2f} s; "
                f"the longest has {longest:.2f} s. Add longer recordings, or choose a profile with shorter crops."
            )

    def _utterance(self, draw: int) -> int:
        epoch, position = divmod(draw, len(self.eligible))
        if self._shuffled[0] != epoch:
            self._shuffled = epoch, np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.eligible))
        return self.eligible[self._shuffled[1][position]]

    def places(self, step: int) -> list[tuple[int, int]]:
        """Return (utterance, start) of each crop of a step; starts are even."""
        starts = np.random.default_rng([self.seed, 2, step])
        chosen = []
        for draw in range(step * self.batch_size, (step + 1) * self.batch_size):
            i = self._utterance(draw)
            slack = self.split.utterances[i].length - self.crop_length
            chosen.append((i, 2 * int(starts.integers(slack // 2 + 1))))
        return chosen[self.own]

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        return _stack(self.split, self.places(step), self.crop_length)


def fixed_crops(split: PairedSplit, count: int, crop_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of the same centred crops at every call, ``(count, 1, T)`` float32 each.

    The crops are evenly spread over the utterances that are long enough, one per utterance, so there may be fewer than `count`.
    The coursework validates on new random crops each time, so its validation curves vary even if the network does not.
    Raises ValueError if no utterance is long enough.
    """
    chosen = _evenly_spread(Crops(split, 1, crop_length, seed=0).eligible, count)
    return _stack(split, [(i, (split.utterances[i].length - crop_length) // 4 * 2) for i in chosen], crop_length)
