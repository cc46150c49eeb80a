"""Prepared pairs, read from memory-mapped files, and the crops of a training step.

A batch depends only on (seed, step), so a resumed run sees the same crops as an uninterrupted one. Each crop draws a speaker, with a
probability proportional to the square root of the length of his recordings, so that small corpora count; then one of his utterances, and
an even start: sample 2n at 44.1 kHz is sample n at 22.05 kHz. Notebook 07.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np

from audiosr_lib import resampling
from audiosr_lib.base import files, paths
from audiosr_lib.base.constants import FULL_SCALE, SR_HIGH
from audiosr_lib.base.errors import NotPrepared, StudyError
from audiosr_lib.data import corpora
from audiosr_lib.data.corpora import CorpusError

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, fill the unit interval evenly
NOISE_SECONDS = 20  # length of the noise that the floors of all crops are cut from


@dataclass(frozen=True)
class Utterance:
    """The position of an utterance in the arrays of its part, and how far its target can be trusted."""

    name: str
    speaker: str
    offset: int
    length: int
    part: int = 0  # index of the corpus it is from, in a corpus that combines several
    edge_hz: float = SR_HIGH / 2  # a codec or filter has cut the target there
    empty_share: float = 0.0  # of the target's bins above 11.025 kHz
    lossy: bool = False  # the file has a lossy format, or the registry says that the corpus passed a lossy codec

    @property
    def seconds(self) -> float:
        return self.length / SR_HIGH


def summary(corpus: str) -> dict:
    """Return corpus.json of a prepared corpus: hash, and speakers, counts and seconds by split.

    For a corpus that combines others these are of all parts together; "parts" holds the summary of each.

    Raises
    ------
    NotPrepared : the corpus, or a part of it, is not prepared.
    CorpusError : a speaker is in two parts.
    """
    if len(names := corpora.parts_of(corpus)) > 1:
        return _combined_summary(corpus, [summary(name) for name in names])
    file = paths.prepared(corpus) / "corpus.json"
    if not file.exists():
        raise NotPrepared(f"the corpus {corpus!r} is not prepared on this machine. {_how_to_prepare(corpus)}")
    return files.read_json(file, "content_sha256", "speakers", "utterances", "seconds", "fingerprint")


def _how_to_prepare(corpus: str) -> str:
    entry = corpora.registry().get(corpus, {})
    if corpora.splits_of(entry) == ("test",):
        return "It is used only for testing, in notebook 10: ./run_all.sh --only 10 fetches and prepares it."
    if corpora.splits_of(entry) == ("train",):
        return f"It is used only beside others: ./run_all.sh --corpus ravdess+{corpus} --only 07 fetches and prepares both."
    folder = corpus.startswith("folder-")
    name = "FOLDER" if folder else corpus
    how = f"Run notebook 07_data_preparation or the command ./run_all.sh --corpus {name} --only 07, then try again."
    return how + (" FOLDER is the path of your recordings." if folder else "")


def _combined_summary(corpus: str, parts: list[dict]) -> dict:
    owner: dict[str, str] = {}
    for part in parts:
        for speaker in (s for members in part["speakers"].values() for s in members):
            if owner.setdefault(speaker, part["corpus"]) != part["corpus"]:
                raise CorpusError(
                    f"the speaker {speaker!r} is in {owner[speaker]} and in {part['corpus']}: one person must not be in two parts, which "
                    "have splits of their own. Leave one part out; or, for two people of one name, rename a folder of yours."
                )
    return {
        "corpus": corpus,
        **{key: "; ".join(dict.fromkeys(part[key] for part in parts if part[key])) for key in ("title", "licence", "source")},
        "lossy": ", ".join(f"{part['corpus']}: {part['lossy']}" for part in parts if part["lossy"]),
        "content_sha256": hashlib.sha256("".join(f"{p['corpus']} {p['content_sha256']}\n" for p in parts).encode()).hexdigest(),
        "speakers": {s: sorted(x for part in parts for x in part["speakers"].get(s, ())) for s in corpora.SPLITS},
        **{key: {s: sum(part[key].get(s, 0) for part in parts) for s in corpora.SPLITS} for key in ("utterances", "seconds")},
        "left_out": sum(part["left_out"] for part in parts),
        "parts": parts,
    }


def index_of(corpus: str, file: str = "index.csv") -> list[dict[str, str]]:
    """Return the rows of index.csv, or of left_out.csv, of a corpus and its parts, with the name of the part as "corpus"."""
    rows = []
    for name in corpora.parts_of(corpus):
        with open(paths.prepared(name) / file, newline="", encoding="utf-8") as f:
            rows += [{"corpus": name, **row} for row in csv.DictReader(f)]
    return rows


def check_disjoint(corpus: str) -> None:
    """Raise CorpusError if two parts of a corpus share a speaker or a recording. Copies within a part are left out at preparation."""
    summary(corpus)
    first: dict[str, dict] = {}
    for row in index_of(corpus):
        if (other := first.setdefault(row["sha256"], row))["corpus"] != row["corpus"]:
            raise CorpusError(
                f"{row['name']} of {row['corpus']} is the same recording as {other['name']} of {other['corpus']}: "
                "the parts of a corpus must not share one. Leave one part out."
            )


def label(corpus: str) -> str:
    """Return the name of a corpus for tables, with "(lossy)" after it if its recordings passed a lossy codec."""
    if len(parts := corpora.parts_of(corpus)) > 1:
        return "+".join(map(label, parts))
    if corpus.startswith("folder-"):
        return "own recordings" + (" (lossy)" if summary(corpus)["lossy"] else "")
    return corpus + (" (lossy)" if corpora.entries().get(corpus, {}).get("lossy") else "")


def _evenly_spread(items: list[int], count: int | None, place: float = 0.5) -> list[int]:
    """Return `count` items evenly spread over the list; all items if it has fewer or `count` is None.

    `place`, 0 .. 1, is where in its part of the list each item stands.
    """
    n = len(items) if count is None else min(count, len(items))
    return [items[int((k + place) * len(items) / n)] for k in range(n)]


class PairedSplit:
    """One split of a prepared corpus: low-resolution inputs x and targets y, both at 44.1 kHz.

    `utterances` lists the pairs in a fixed order. The files are memory-mapped, so opening a split reads no samples.
    Raises NotPrepared if the corpus is not prepared, and ValueError if it does not have the split.
    """

    def __init__(self, corpus: str, split: str) -> None:
        splits = summary(corpus)["speakers"]
        if split not in splits:
            raise ValueError(f"the corpus {corpus!r} has no split {split!r}: choose one of {', '.join(splits)}")
        self.corpus, self.split = corpus, split
        self.utterances: list[Utterance] = []
        self._codes: list[tuple[np.ndarray, np.ndarray]] = []
        for name in corpora.parts_of(corpus):
            if split in summary(name)["speakers"]:
                self._open(name)

    def _open(self, name: str) -> None:
        folder, part = paths.prepared(name), len(self._codes)
        passed_codec = bool(corpora.entries().get(name, {}).get("lossy"))  # also if the files are WAV by now
        try:
            rows = (r for r in index_of(name) if r["split"] == self.split)
            utterances = [
                Utterance(r["name"], r["speaker"], int(r["offset"]), int(r["length"]), part,
                          float(r["edge_hz"]), float(r["empty_share"]), passed_codec or r["lossy"] == "1")
                for r in rows
            ]  # fmt: skip
        except (FileNotFoundError, KeyError, ValueError, TypeError):
            utterances = []
        total = sum(u.length for u in utterances)
        sides = [folder / f"{self.split}_{side}.i16" for side in "xy"]
        if not all(f.exists() and f.stat().st_size == 2 * total > 0 for f in sides):
            raise NotPrepared(f"the prepared files of {name!r} do not match their index: delete {paths.shown(folder)} and prepare again")
        x, y = (np.memmap(f, dtype="<i2", mode="r") for f in sides)
        self._codes.append((x, y))
        self.utterances += utterances

    def __len__(self) -> int:
        return len(self.utterances)

    def codes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return all samples of x and of y of each part, ``(total,)`` int16 each, memory-mapped; an utterance begins at its offset."""
        return self._codes

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
        x, y = self._codes[u.part]
        return x[here].astype(np.float32) / FULL_SCALE, y[here].astype(np.float32) / FULL_SCALE

    def by_speaker(self) -> dict[str, list[int]]:
        """Return the indices of the utterances of each speaker."""
        table: dict[str, list[int]] = {}
        for i, u in enumerate(self.utterances):
            table.setdefault(u.speaker, []).append(i)
        return table

    def spread(self, per_speaker: int | None, min_length: int = 0) -> list[int]:
        """Return evenly spread indices: up to `per_speaker` (None: all) utterances of each speaker with at least `min_length` samples.

        The places in the list differ from speaker to speaker, so what stands in the same order for all, such as the emotions of RAVDESS,
        is drawn evenly.
        """
        chosen = []
        for j, indices in enumerate(self.by_speaker().values()):
            long_enough = [i for i in indices if self.utterances[i].length >= min_length]
            chosen += _evenly_spread(long_enough, per_speaker, (0.5 + GOLDEN * j) % 1)
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
    seed : seed of all draws.
    share : (rank, world); this process reads part `rank` of the `world` equal parts of every batch.
    floor_db : level of a noise floor that the pairs of lossy recordings get, RMS in dB re full scale; None: no floor.

    Raises
    ------
    CropError : `batch_size` is not divisible by `world`, or every utterance is shorter than a crop.
    ValueError : `crop_length` is odd or below 2.
    """

    def __init__(
        self,
        split: PairedSplit,
        batch_size: int,
        crop_length: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
        floor_db: float | None = None,
    ) -> None:
        rank, world = share
        if batch_size % world:
            raise CropError(f"{batch_size} crops cannot be split equally among {world} processes: choose a divisor of {batch_size}")
        self.own = slice(rank * batch_size // world, (rank + 1) * batch_size // world)
        if crop_length < 2 or crop_length % 2:
            raise ValueError(f"crop_length must be even and at least 2 samples, got {crop_length}")
        self.split, self.batch_size, self.crop_length, self.seed, self.floor_db = split, batch_size, crop_length, seed, floor_db
        long_enough = {s: [i for i in own if split.utterances[i].length >= crop_length] for s, own in split.by_speaker().items()}
        self.eligible = {s: own for s, own in long_enough.items() if own}  # utterances by speaker
        self.too_short = len(split) - sum(map(len, self.eligible.values()))
        if not self.eligible:
            longest = max((u.seconds for u in split.utterances), default=0.0)
            raise CropError(
                f"no utterance of {split.corpus}/{split.split} is as long as a crop of {crop_length / SR_HIGH:.2f} s; "
                f"the longest has {longest:.2f} s. Add longer recordings, or choose a profile with shorter crops."
            )
        lengths = [sum(split.utterances[i].seconds for i in own) for own in self.eligible.values()]
        self.chances = np.sqrt(lengths) / np.sum(np.sqrt(lengths))  # of the speakers

    def places(self, step: int) -> list[tuple[int, int]]:
        """Return (utterance, start) of each crop of a step; starts are even."""
        rng = np.random.default_rng([self.seed, 2, step])
        speakers, chosen = list(self.eligible.values()), []
        for who in rng.choice(len(speakers), size=self.batch_size, p=self.chances):
            i = int(rng.choice(speakers[who]))
            chosen.append((i, 2 * int(rng.integers((self.split.utterances[i].length - self.crop_length) // 2 + 1))))
        return chosen[self.own]

    def edges_hz(self, step: int) -> np.ndarray:
        """Return the edge of each crop of a step in Hz, ``(B,)``."""
        return np.array([self.split.utterances[i].edge_hz for i, _ in self.places(step)])

    def floors(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what a noise floor of `floor_db` adds to the inputs and the targets of a step, ``(B, 1, T)`` each; 0 for lossless ones.

        Interpolation is linear, so the interpolated noise, added to x, gives the input of a target with the noise (tested).
        """
        rng = np.random.default_rng([self.seed, 3, step])
        starts = 2 * rng.integers((NOISE_SECONDS * SR_HIGH - self.crop_length) // 2, size=self.batch_size)[self.own]
        gains = [10 ** (self.floor_db / 20) * self.split.utterances[i].lossy for i, _ in self.places(step)]
        x, y = (
            np.stack([g * noise[s : s + self.crop_length] for g, s in zip(gains, starts, strict=True)])[:, None].astype(np.float32)
            for noise in white_noise_pair()
        )
        return x, y

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        x, y = _stack(self.split, self.places(step), self.crop_length)
        if self.floor_db is None:
            return x, y
        x_floor, y_floor = self.floors(step)
        return x + x_floor, y + y_floor


@cache
def white_noise_pair() -> tuple[np.ndarray, np.ndarray]:
    """Return white noise of unit RMS at 44.1 kHz, down to 22.05 kHz and back, and as it is, ``(T,)`` float32 each."""
    noise = np.random.default_rng(2021).standard_normal(NOISE_SECONDS * SR_HIGH).astype(np.float32)
    return resampling.round_trip(noise, resampling.shipped_filter("kaiser_fast")).astype(np.float32), noise


def fixed_places(split: PairedSplit, count: int, crop_length: int) -> list[tuple[int, int]]:
    """Return (utterance, start) of the same centred crops at every call, the same number for each speaker as far as possible.

    They are evenly spread over the utterances of a speaker that are long enough, one per utterance, so there may be fewer than `count`.
    Raises ValueError if no utterance is long enough.
    """
    eligible = Crops(split, 1, crop_length, seed=0).eligible.values()
    each = -(-count // len(eligible))
    while sum(min(each, len(own)) for own in eligible) < min(count, sum(map(len, eligible))):
        each += 1  # speakers with few utterances leave room for others
    chosen = _evenly_spread([i for own in eligible for i in _evenly_spread(own, each)], count)
    return [(i, (split.utterances[i].length - crop_length) // 4 * 2) for i in chosen]


def fixed_crops(split: PairedSplit, count: int, crop_length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of the crops at `fixed_places`, ``(count, 1, T)`` float32 each.

    The coursework validates on new random crops each time, so its validation curves vary even if the network does not.
    """
    return _stack(split, fixed_places(split, count, crop_length), crop_length)
