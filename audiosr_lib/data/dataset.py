"""Prepared pairs, read from memory-mapped files, and the crops a training step sees.

A batch is a pure function of (seed, step): nothing has to be saved to resume a run at any step and see
exactly the crops an uninterrupted run would have seen. Utterances are visited in a fresh seeded order each epoch,
each at a random even start: sample 2n of the 44.1 kHz signal is sample n of the 22.05 kHz one, so an even start
is one that the low-rate signal has, too. Notebook 07.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audiosr_lib.base import files, paths
from audiosr_lib.base.constants import FULL_SCALE, SR_HIGH
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.data import corpora


@dataclass(frozen=True)
class Utterance:
    """Where an utterance lies in its split's arrays."""

    name: str
    speaker: str
    offset: int
    length: int

    @property
    def seconds(self) -> float:
        return self.length / SR_HIGH


def summary(corpus: str) -> dict:
    """corpus.json of a prepared corpus: its hash, speakers, counts and seconds by split.

    Raises NotPrepared if there is no whole preparation.
    """
    file = paths.prepared(corpus) / "corpus.json"
    if not file.exists():
        command = f"./run_all.sh --corpus {corpus} --only 07"
        how = f"Run notebook 07_data_preparation, or on the command line {command}, and come back."
        if corpora.splits_of(corpora.registry().get(corpus, {})) != corpora.SPLITS:
            how = "It is only tested on, in notebook 11: ./run_all.sh --only 11 fetches and prepares it."
        raise NotPrepared(f"the corpus {corpus!r} is not prepared on this machine. {how}")
    return files.read_json(file)


class PairedSplit:
    """One split of a prepared corpus: low-resolution inputs x and targets y, both at 44.1 kHz.

    `utterances` lists them in a fixed order. Opening maps the files; nothing is read until it is asked for.
    Raises NotPrepared if the corpus is not there, ValueError for an unknown split, or one that a corpus only tested on does not have.
    """

    def __init__(self, corpus: str, split: str) -> None:
        about = summary(corpus)
        if split not in corpora.SPLITS:
            raise ValueError(f"no split {split!r}: choose one of {', '.join(corpora.SPLITS)}")
        if split not in about["speakers"]:
            raise ValueError(f"the corpus {corpus!r} has no split {split!r}: it is only tested on, never trained on")
        folder: Path = paths.prepared(corpus)
        self.corpus, self.split = corpus, split
        with open(folder / "index.csv", newline="", encoding="utf-8") as f:
            rows = [r for r in csv.DictReader(f) if r["split"] == split]
        self.utterances = [Utterance(r["name"], r["speaker"], int(r["offset"]), int(r["length"])) for r in rows]
        total = sum(u.length for u in self.utterances)
        sides = [folder / f"{split}_{side}.i16" for side in "xy"]
        if not all(f.exists() and f.stat().st_size == 2 * total > 0 for f in sides):
            raise NotPrepared(f"the prepared files of {corpus!r} do not match their index: delete {paths.shown(folder)} and prepare again")
        self._x, self._y = (np.memmap(f, dtype="<i2", mode="r") for f in sides)

    def __len__(self) -> int:
        return len(self.utterances)

    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """All samples of x and of y as 16-bit codes, ``(total,)`` each, mapped from the disk; an utterance begins at its offset."""
        return self._x, self._y

    def read(self, index: int, start: int = 0, length: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of an utterance or a part of it, float32 in [-1, 1), ``(T,)`` each.

        Raises ValueError for an odd start, or a part that reaches beyond the utterance.
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
        """Speaker -> indices of their utterances."""
        table: dict[str, list[int]] = {}
        for i, u in enumerate(self.utterances):
            table.setdefault(u.speaker, []).append(i)
        return table

    def spread(self, per_speaker: int | None, min_length: int = 0) -> list[int]:
        """Indices of up to `per_speaker` utterances of each speaker, evenly spread over their list; all of them for None."""
        chosen = []
        for indices in self.by_speaker().values():
            long_enough = [i for i in indices if self.utterances[i].length >= min_length]
            n = len(long_enough) if per_speaker is None else min(per_speaker, len(long_enough))
            chosen += [long_enough[(2 * k + 1) * len(long_enough) // (2 * n)] for k in range(n)]
        return chosen


class Crops:
    """Random crops of a split, as batches that depend on seed and step alone.

    Parameters
    ----------
    split : prepared pairs. batch_size : crops a step. crop_length : samples, even. seed : of the order and the starts.
    share : (rank, world): of every batch this process reads the rank-th of `world` equal parts; together they are the batch.

    Raises
    ------
    ValueError : if no utterance is as long as a crop, crop_length is odd or below 2, or a batch has no `world` equal parts. Shorter
        utterances are not drawn (`too_short` counts them): padding them would teach the network silence.
    """

    def __init__(self, split: PairedSplit, batch_size: int, crop_length: int, seed: int, share: tuple[int, int] = (0, 1)) -> None:
        rank, world = share
        if batch_size % world:
            raise ValueError(f"a batch of {batch_size} crops has no {world} equal parts: choose a number of processes that divides it")
        self.own = slice(rank * batch_size // world, (rank + 1) * batch_size // world)
        if crop_length < 2:
            raise ValueError(f"a crop needs at least 2 samples, got {crop_length}")
        if crop_length % 2:
            raise ValueError(f"crop_length {crop_length} is odd: the 22.05 kHz signal has no such crop")
        self.split, self.batch_size, self.crop_length, self.seed = split, batch_size, crop_length, seed
        self.eligible = [i for i, u in enumerate(split.utterances) if u.length >= crop_length]
        self.too_short = len(split) - len(self.eligible)
        self._shuffled: tuple[int, np.ndarray] = (-1, np.empty(0))  # the epoch of the last draw, and its order
        if not self.eligible:
            longest = max((u.seconds for u in split.utterances), default=0.0)
            raise ValueError(
                f"no utterance of {split.corpus}/{split.split} is as long as a crop of {crop_length / SR_HIGH:.2f} s; the longest has "
                f"{longest:.2f} s. Choose a smaller crop_seconds."
            )

    def _utterance(self, draw: int) -> int:
        epoch, position = divmod(draw, len(self.eligible))
        if self._shuffled[0] != epoch:
            self._shuffled = epoch, np.random.default_rng([self.seed, 1, epoch]).permutation(len(self.eligible))
        return self.eligible[self._shuffled[1][position]]

    def places(self, step: int) -> list[tuple[int, int]]:
        """Which crops a step sees: (utterance, start) of each, starts even."""
        starts = np.random.default_rng([self.seed, 2, step])
        chosen = []
        for draw in range(step * self.batch_size, (step + 1) * self.batch_size):
            i = self._utterance(draw)
            slack = self.split.utterances[i].length - self.crop_length
            chosen.append((i, 2 * int(starts.integers(slack // 2 + 1))))
        return chosen[self.own]

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        pairs = [self.split.read(i, start, self.crop_length) for i, start in self.places(step)]
        x, y = (np.stack(side)[:, None] for side in zip(*pairs, strict=True))
        return x, y


def fixed_crops(split: PairedSplit, count: int, crop_length: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` centred crops, evenly spread over the utterances that are long enough: the same at every validation.

    The coursework draws new random crops each time, so its validation curves move even when the network does not.
    Returns ``(count, 1, T)`` float32 inputs and targets, fewer if the split has fewer; ValueError if it has none.
    """
    eligible = Crops(split, 1, crop_length, seed=0).eligible
    n = min(count, len(eligible))
    chosen = [eligible[(2 * k + 1) * len(eligible) // (2 * n)] for k in range(n)]
    pairs = [split.read(i, (split.utterances[i].length - crop_length) // 4 * 2, crop_length) for i in chosen]
    x, y = (np.stack(side)[:, None] for side in zip(*pairs, strict=True))
    return x, y
