"""From recordings to aligned pairs: target at 44.1 kHz, input down to 22.05 kHz and back (coursework 2.2).

For every recording that is kept:

    mono (mean of the channels) -> 44.1 kHz -> y
    y -> 22.05 kHz -> 44.1 kHz, both by kaiser_fast -> x
    one gain for both, so that the larger peak is just under 1 -> int16

One gain, not one each: normalising x and y separately would make the network learn a level that no listener hears.
Resampling a whole recording once, and cropping afterwards at even samples, equals resampling each crop (edges aside; a
test holds it to that) and costs nothing at training time. The pairs of a split lie end to end in two raw int16 files
that are memory-mapped, with index.csv saying what lies where.

Work goes to a folder NAME.partial with a journal; an interrupted preparation goes on from it, and only a
whole one gets its name. Memory stays bounded whatever the corpus: a few recordings are in flight at a time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from audiosr_lib import resampling, signals, spectral
from audiosr_lib.base import files, paths
from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.data import corpora, fetching
from audiosr_lib.data.corpora import Corpus, CorpusError, Recording
from audiosr_lib.data.download import require_space

VERSION = 2  # of the prepared format; raise it when the pairs would come out different
PEAK = 0.999
INDEX_FIELDS = (
    "split", "speaker", "name", "offset", "length", "gain_db", "bandwidth_hz", "sample_rate", "channels", "sha256",
)  # fmt: skip


@dataclass(frozen=True)
class Keep:
    """Thresholds of the registry's table `keep`."""

    min_sample_rate: int
    min_seconds: float
    min_rms_db: float
    bandwidth_range_db: float
    min_bandwidth_hz: float
    max_seconds: float


@dataclass(frozen=True)
class Task:
    """A recording, or a piece of a long one."""

    path: str
    name: str
    speaker: str
    split: str | None
    start: int  # frames of the file
    frames: int  # -1: to the end


class LeftOut(ValueError):
    """A recording that is not kept; the message is the reason as left_out.csv has it."""


def read_mono(data: bytes, keep: Keep, start: int = 0, frames: int = -1) -> tuple[np.ndarray, int, int]:
    """Decode and check a recording.

    Returns
    -------
    (T,) float32 mean of the channels, sample rate in Hz, channels.

    Raises
    ------
    LeftOut : unreadable, truncated, too low a rate, not finite, too short or silent; the message says which.
    """
    try:
        with sf.SoundFile(io.BytesIO(data)) as f:
            sr, channels, promised = f.samplerate, f.channels, f.frames - start if frames < 0 else frames
            truncated = "should be" in f.extra_info and f.format == "WAV"
            if sr < keep.min_sample_rate:
                raise LeftOut(f"sample rate {sr} Hz is below {keep.min_sample_rate} Hz")
            f.seek(start)
            audio = f.read(frames, dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise LeftOut(f"unreadable: {str(error).rpartition(': ')[2].strip()}") from error
    if truncated or len(audio) < promised:
        raise LeftOut(f"truncated: {len(audio)} of {promised if not truncated else 'more'} samples")
    if not np.isfinite(audio).all():
        raise LeftOut("contains NaN or infinite samples")
    mono = audio.mean(axis=1)
    if len(mono) < keep.min_seconds * sr:
        raise LeftOut(f"shorter than {keep.min_seconds} s: {len(mono) / sr:.2f} s")
    level = float(signals.db(signals.rms(mono)))
    if level < keep.min_rms_db:
        raise LeftOut(f"silent: RMS {level:.0f} dB, below {keep.min_rms_db:.0f} dB")
    return mono, sr, channels


def make_pair(mono: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Target and low-resolution input at 44.1 kHz.

    Parameters
    ----------
    mono : (T,) at `sr` Hz, not silent.

    Returns
    -------
    x, y : (T',) int16 with T' even, sharing one gain; the gain in dB.
    """
    y = resampling.resample(mono, sr, SR_HIGH, "soxr_vhq")
    y = y[: len(y) // 2 * 2]
    x = resampling.round_trip(y, resampling.shipped_filter("kaiser_fast"))
    gain = PEAK / max(np.abs(x).max(), np.abs(y).max())
    as_int16 = [np.round(gain * 32767 * s).astype("<i2") for s in (x, y)]
    return as_int16[0], as_int16[1], float(signals.db(gain))


def process(task: Task, keep: Keep) -> tuple[dict, np.ndarray | None, np.ndarray | None]:
    """One task in a worker: its index row and pair, or a row with a `reason` and no pair."""
    row = {"split": task.split, "speaker": task.speaker, "name": task.name, "start": task.start}
    try:
        data = Path(task.path).read_bytes()
        row["sha256"] = hashlib.sha256(data).hexdigest()
        mono, sr, channels = read_mono(data, keep, task.start, task.frames)
        bandwidth = spectral.bandwidth_hz(mono, sr, keep.bandwidth_range_db)
        row |= {"bandwidth_hz": round(bandwidth), "sample_rate": sr, "channels": channels}
        if bandwidth < keep.min_bandwidth_hz:
            raise LeftOut(f"not full-band: {bandwidth / 1e3:.1f} kHz, below {keep.min_bandwidth_hz / 1e3:.0f} kHz")
        if task.split is None:
            raise LeftOut("the speaker is in no split")
        x, y, gain_db = make_pair(mono, sr)
    except LeftOut as reason:
        return row | {"reason": str(reason)}, None, None
    except OSError as error:
        return row | {"reason": f"unreadable: {error.strerror or error}"}, None, None
    return row | {"length": len(y), "gain_db": round(gain_db, 2)}, x, y


def tasks_of(recordings: list[Recording], keep: Keep) -> list[Task]:
    """Recordings as tasks, those longer than `keep.max_seconds` cut into pieces."""
    tasks = []
    for r in recordings:
        try:
            info = sf.info(str(r.path))
            piece, total = round(keep.max_seconds * info.samplerate), info.frames
        except sf.LibsndfileError:
            piece, total = 1, 0  # the worker finds out what is wrong with it
        starts = range(0, total, piece) if total > piece else [0]
        for i, start in enumerate(starts):
            frames = -1 if len(starts) == 1 or start + piece >= total else piece
            name = r.name if len(starts) == 1 else f"{r.name}#{i:03d}"
            tasks.append(Task(str(r.path), name, r.speaker, r.split, start, frames))
    return tasks


def fingerprint(recordings: list[Recording], keep: Keep) -> str:
    """Hash of everything a preparation depends on, but for the bytes of the recordings (their sizes and times stand in)."""
    listed = [(r.name, r.speaker, r.split, (status := os.stat(r.path)).st_size, status.st_mtime_ns) for r in recordings]
    return hashlib.sha256(json.dumps([VERSION, PEAK, asdict(keep), listed]).encode()).hexdigest()


def prepare(corpus: Corpus, *, workers: int | None = None, progress: bool = True) -> Path:
    """Prepare all pairs of a fetched corpus; returns their folder. A second call finds them and does nothing.

    Parameters
    ----------
    corpus : fetched. workers : processes, one per core by default. progress : show a bar on a terminal.

    Raises
    ------
    CorpusError : no recordings, or a split in which none was kept.
    DownloadError : the disk is too full.
    """
    keep = Keep(**corpora.registry()["keep"])
    recordings = corpora.list_recordings(corpus)
    mark = fingerprint(recordings, keep)
    target = paths.prepared(corpus.name)
    if is_prepared(target, mark):
        return target
    partial = target.with_name(target.name + ".partial")
    state = partial / "fingerprint"
    if not (state.exists() and state.read_text() == mark):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        state.write_text(mark)
    require_space(partial, 2 * sum(os.stat(r.path).st_size for r in recordings), "preparing the pairs")
    tasks = tasks_of(recordings, keep)
    try:
        with Journal(partial, corpus.splits) as journal:
            todo = tasks[len(journal.rows) :]
            bar = tqdm(total=len(tasks), initial=len(journal.rows), desc=f"preparing {corpus.name}", unit="file",
                       disable=not (progress and sys.stderr.isatty()))  # fmt: skip
            for row, x, y in _in_order(todo, keep, workers or os.cpu_count() or 1):
                journal.add(row, x, y)
                bar.update()
            bar.close()
            rows = journal.rows
        _finish(corpus, partial, rows, mark)
    except OSError as error:  # unreadable recordings are rows of left_out.csv: this is the disk that is written to
        raise CorpusError(f"cannot write the pairs of {corpus.name}: {error.strerror}. Make room and start again; it goes on.") from error
    shutil.rmtree(target, ignore_errors=True)
    partial.replace(target)
    return target


def make_ready(corpus: Corpus, *, progress: bool = True) -> Path:
    """Fetch and prepare what is missing. Prepared pairs that were brought here without their recordings are taken as they are."""
    target = paths.prepared(corpus.name)
    if is_prepared(target) and not corpus.folder.exists():
        return target
    fetching.fetch(corpus)
    return prepare(corpus, progress=progress)


def is_prepared(folder: Path, mark: str | None = None) -> bool:
    """Whether `folder` holds a whole preparation, of that fingerprint if one is given."""
    summary = folder / "corpus.json"
    return summary.exists() and mark in (None, files.read_json(summary)["fingerprint"])


def _in_order(tasks: list[Task], keep: Keep, workers: int):
    """Results in the order of the tasks, with at most a few per worker in flight."""
    if workers == 1 or len(tasks) < 64:  # starting processes, each compiling resampy, would cost more
        yield from (process(t, keep) for t in tasks)
        return
    waiting: deque[Future] = deque()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for task in tasks:
            waiting.append(pool.submit(process, task, keep))
            if len(waiting) >= 8 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class Journal:
    """The growing arrays of a preparation and the list of what is in them; safe to cut anywhere.

    A row is written after its samples, so a cut leaves at most samples without a row: they are cut off when it is opened again.
    """

    def __init__(self, folder: Path, splits: tuple[str, ...]) -> None:
        self.folder = folder
        self.splits = splits
        self.rows: list[dict] = []
        self.file = folder / "journal.jsonl"

    def __enter__(self) -> Journal:
        whole = b""
        if self.file.exists():
            whole = self.file.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
            self.rows = [json.loads(line) for line in whole.splitlines()]
        if any(self._size(s, side) < 2 * self._length(s) for s in self.splits for side in "xy"):
            self.rows, whole = [], b""  # samples were lost, as in a power cut: begin anew
        self.lengths = {s: self._length(s) for s in self.splits}
        self.samples = {}
        for split, length in self.lengths.items():
            for side in "xy":
                f = open(self.folder / f"{split}_{side}.i16", "ab")
                f.truncate(2 * length)
                self.samples[split, side] = f
        self.seen = {(r["sha256"], r["start"]): r["name"] for r in self.rows if "reason" not in r}
        self.log = open(self.file, "ab")
        self.log.truncate(len(whole))
        return self

    def _length(self, split: str) -> int:
        """Samples that the rows promise of a split."""
        return sum(r["length"] for r in self.rows if "reason" not in r and r["split"] == split)

    def _size(self, split: str, side: str) -> int:
        file = self.folder / f"{split}_{side}.i16"
        return file.stat().st_size if file.exists() else 0

    def add(self, row: dict, x: np.ndarray | None, y: np.ndarray | None) -> None:
        """Append a task's result. The bytes of an earlier recording are left out: a copy teaches nothing, and could cross splits."""
        if x is not None and (original := self.seen.setdefault((row["sha256"], row["start"]), row["name"])) != row["name"]:
            row, x, y = row | {"reason": f"a copy of {original}"}, None, None
        if x is not None and y is not None:
            row["offset"] = self.lengths[row["split"]]
            for side, samples in (("x", x), ("y", y)):
                self.samples[row["split"], side].write(samples.tobytes())
                self.samples[row["split"], side].flush()
            self.lengths[row["split"]] += len(y)
        self.log.write(json.dumps(row).encode() + b"\n")
        self.log.flush()
        self.rows.append(row)

    def __exit__(self, *_: object) -> None:
        for f in (*self.samples.values(), self.log):
            f.close()


def _finish(corpus: Corpus, folder: Path, rows: list[dict], mark: str) -> None:
    """Write index.csv, left_out.csv and, last, corpus.json."""
    kept = [r for r in rows if "reason" not in r]
    for split in corpus.splits:
        if not any(r["split"] == split for r in kept):
            reasons = sorted({r["reason"].partition(":")[0] for r in rows if r["split"] == split and "reason" in r})
            needed = " from at least three speakers" if corpus.splits == corpora.SPLITS else ""
            raise CorpusError(
                f"{corpus.name}: no recording of the split {split!r} was kept ({'; '.join(reasons) or 'there is none'}). "
                f"The study needs full-band recordings at 44.1 kHz or more{needed}."
            )
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, INDEX_FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
    with open(folder / "left_out.csv", "w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, ("speaker", "name", "reason", "bandwidth_hz"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(r for r in rows if "reason" in r)
    hashes = sorted(f"{r['split']} {r['name']} {r.get('sha256')}" for r in kept)
    summary = {
        "corpus": corpus.name,
        "title": corpus.title,
        "licence": corpus.licence,
        "source": corpus.entry["source"],
        "content_sha256": hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        "fingerprint": mark,
        "sample_rate": SR_HIGH,
        "speakers": {s: sorted({r["speaker"] for r in kept if r["split"] == s}) for s in corpus.splits},
        "utterances": {s: sum(r["split"] == s for r in kept) for s in corpus.splits},
        "seconds": {s: round(sum(r["length"] for r in kept if r["split"] == s) / SR_HIGH, 1) for s in corpus.splits},
        "left_out": len(rows) - len(kept),
        "keep": corpora.registry()["keep"],
    }
    files.write_json(folder / "corpus.json", summary)
    (folder / "journal.jsonl").unlink()
    (folder / "fingerprint").unlink()
