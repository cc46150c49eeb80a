"""From recordings to aligned pairs: the target y at 44.1 kHz, the input x down to 22.05 kHz and back (coursework 2.2).

    mono (mean of the channels) -> without DC and long silence at the ends -> 44.1 kHz -> y
    y -> 22.05 kHz -> 44.1 kHz, both by kaiser_fast -> x
    one gain for x and y that brings the larger peak just below 1 -> int16

Separate gains would make the network learn a difference in level. Resampling a whole recording and then cropping it at even samples
equals resampling each crop, except at its edges (tested), and costs no time in training. The pairs of a split are stored end to end in
two raw int16 files; index.csv lists their positions.

The work is done in a folder NAME.partial with a journal, from which an interrupted preparation continues. The folder is renamed to NAME
when it is complete. Only a few recordings are in memory at a time.
"""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import librosa
import numpy as np
from tqdm import tqdm

from audiosr_lib import resampling, signals, spectral
from audiosr_lib.base import files, paths, sound
from audiosr_lib.base.constants import FULL_SCALE, SR_HIGH, SR_LOW
from audiosr_lib.base.errors import printable
from audiosr_lib.base.sound import SoundError
from audiosr_lib.data import corpora, dataset, fetching
from audiosr_lib.data.corpora import Corpus, CorpusError, Recording
from audiosr_lib.data.download import require_space

VERSION = 3  # of the prepared format: increase it with every change that affects the pairs
PEAK = 0.999
INDEX_FIELDS = ("split", "speaker", "name", "offset", "length", "gain_db", "bandwidth_hz", "edge_hz", "empty_share", "lossy",
                "sample_rate", "channels", "sha256")  # fmt: skip
LEFT_OUT_FIELDS = ("speaker", "name", "reason", "bandwidth_hz")


@dataclass(frozen=True)
class Keep:
    """The thresholds in the table `keep` of the registry."""

    min_sample_rate: int
    min_seconds: float
    min_rms_db: float
    bandwidth_range_db: float
    min_bandwidth_hz: float
    max_seconds: float
    silence_range_db: float
    silence_seconds: float
    edge_step_db: float


class Rejected(ValueError):
    """A recording is not kept; the message is the reason in left_out.csv."""


def read_mono(data: bytes, keep: Keep, start: int = 0, frames: int = -1) -> tuple[np.ndarray, int, int]:
    """Return the mean of the channels, ``(T,)`` float32, the sample rate in Hz and the number of channels of a recording.

    Parameters
    ----------
    data : content of the audio file.
    keep : thresholds that the recording must pass.
    start : first frame to read.
    frames : frames to read; -1: to the end.

    Raises
    ------
    Rejected : the recording is unreadable, truncated, not finite, too short or silent, or its sample rate is too low.
    """
    try:
        with sound.opened(data) as recording:
            sr, channels = recording.rate, recording.channels
            if sr < keep.min_sample_rate:
                raise Rejected(f"sample rate {sr} Hz is below {keep.min_sample_rate} Hz")
            if frames < 0 and (recording.frames or 0) - start > round(keep.max_seconds * sr):
                sound.survey(data)  # `tasks_of` cuts whole ones: this one has a fault, to be found before its samples fill the memory
            blocks = list(recording.blocks(start, frames))
    except SoundError as error:
        raise Rejected(str(error)) from error
    mono = np.concatenate([block.mean(axis=1) for block in blocks]) if blocks else np.zeros(0, dtype=np.float32)
    if len(mono) < keep.min_seconds * sr:
        raise Rejected(f"shorter than {keep.min_seconds} s: {len(mono) / sr:.2f} s")
    level = float(signals.db(signals.rms(mono)))
    if level < keep.min_rms_db:
        raise Rejected(f"silent: RMS {level:.0f} dB, below {keep.min_rms_db:.0f} dB")
    return mono, sr, channels


def clean(mono: np.ndarray, sr: int, keep: Keep, ends: tuple[bool, bool] = (True, True)) -> np.ndarray:
    """Return a recording without its mean and without long silence at its ends, ``(T',)``; `keep.silence_seconds` of it stay.

    Parameters
    ----------
    mono : (T,).
    sr : sample rate in Hz.
    keep : what counts as silence.
    ends : whether the beginning and the end are those of the recording, and not of a piece of it.
    """
    mono = mono - mono.mean()
    _, (begin, end) = librosa.effects.trim(mono, top_db=keep.silence_range_db, frame_length=1024, hop_length=256)
    stays = round(keep.silence_seconds * sr)
    return mono[max(0, begin - stays) if ends[0] else 0 : end + stays if ends[1] else len(mono)]


def make_pair(mono: np.ndarray, sr: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return x and y, ``(T',)`` int16 at 44.1 kHz with T' even, and their gain in dB, of a signal that is not silent."""
    y = resampling.resample(mono, sr, SR_HIGH, "soxr_vhq")
    y = y[: len(y) // 2 * 2]
    x = resampling.round_trip(y, resampling.shipped_filter("kaiser_fast"))
    gain = PEAK / max(np.abs(x).max(), np.abs(y).max())
    x, y = (np.round(gain * 32767 * s).astype("<i2") for s in (x, y))
    return x, y, float(signals.db(gain))


def process(task: Recording, keep: Keep) -> tuple[dict, np.ndarray | None, np.ndarray | None]:
    """Return the index row, x and y of a task; if the recording is rejected, a row with a `reason`, None and None."""
    row = {"split": task.split, "speaker": task.speaker, "name": task.name, "start": task.start}
    try:
        data = task.path.read_bytes()
        row["sha256"] = hashlib.sha256(data).hexdigest()
        mono, sr, channels = read_mono(data, keep, task.start, task.frames)
        mono = clean(mono, sr, keep, (task.start == 0, task.frames < 0))
        if len(mono) < keep.min_seconds * sr:
            raise Rejected(f"shorter than {keep.min_seconds} s: {len(mono) / sr:.2f} s without the silence at its ends")
        bandwidth = spectral.bandwidth_hz(mono, sr, keep.bandwidth_range_db)
        row |= {"bandwidth_hz": round(bandwidth), "sample_rate": sr, "channels": channels}
        if bandwidth < keep.min_bandwidth_hz:
            raise Rejected(f"not full-band: {bandwidth / 1e3:.1f} kHz, below {keep.min_bandwidth_hz / 1e3:.0f} kHz")
        if task.split is None:
            raise Rejected("the speaker is in no split")
        x, y, gain_db = make_pair(mono, sr)
    except Rejected as reason:
        return row | {"reason": str(reason)}, None, None
    target = y / FULL_SCALE
    row |= {"length": len(y), "gain_db": round(gain_db, 2), "lossy": int(sound.is_lossy(data))}
    row["edge_hz"] = round(spectral.edge_hz(target, SR_HIGH, keep.edge_step_db))
    row["empty_share"] = round(spectral.empty_share(target, SR_HIGH, SR_LOW / 2), 3)
    return row, x, y


def tasks_of(recordings: list[Recording], keep: Keep) -> list[Recording]:
    """Return the recordings, those that are whole and longer than `keep.max_seconds` cut into pieces."""
    tasks = []
    for r in recordings:
        try:
            with sound.opened(r.path) as recording:
                piece, total = round(keep.max_seconds * recording.rate), recording.frames
            if total is None or total > piece:
                total = sound.survey(r.path).frames
        except SoundError:
            piece, total = 1, 0  # `process` gives the reason
        for i, start in enumerate(range(0, max(total, 1), piece)):
            name = f"{r.name}#{i:03d}" if total > piece else r.name
            tasks.append(replace(r, name=name, start=start, frames=-1 if start + piece >= total else piece))
    return tasks


def fingerprint(recordings: list[Recording], keep: Keep) -> str:
    """Return a hash of all that determines the pairs; sizes and modification times represent the bytes of the recordings."""
    listed = [(r.name, r.speaker, r.split, (status := os.stat(r.path)).st_size, status.st_mtime_ns) for r in recordings]
    return hashlib.sha256(json.dumps([VERSION, PEAK, asdict(keep), listed]).encode()).hexdigest()


def prepare(corpus: Corpus, *, workers: int | None = None, progress: bool = True) -> Path:
    """Return the folder of the prepared pairs of a fetched corpus, after preparing them if necessary.

    Of a corpus that combines others, every part gets a folder of its own, and their common folder is returned.

    Parameters
    ----------
    corpus : a fetched corpus.
    workers : number of processes; None: one per core.
    progress : show a progress bar on a terminal.

    Raises
    ------
    CorpusError : a split has too few recordings that can be kept, or two parts share a speaker or a recording.
    Busy : another process prepares this corpus.
    DownloadError : the disk does not have enough free space.
    """
    if corpus.combined:
        return _each_part(corpus, lambda part: prepare(part, workers=workers, progress=progress))
    keep = Keep(**corpora.registry()["keep"])
    recordings = corpora.list_recordings(corpus)
    mark = fingerprint(recordings, keep)
    target = paths.prepared(corpus.name)
    if is_prepared(target, mark):
        return target
    partial = target.with_name(target.name + ".partial")
    with files.only_one(target.with_name(target.name + ".lock"), f"the preparation of {corpus.name}"):
        if not is_prepared(partial, mark):  # else it was interrupted just before the end
            state = partial / "fingerprint"
            if not (state.exists() and state.read_bytes() == mark.encode()):
                _check_fetched(corpus)
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
                state.write_text(mark)
            written = sum(f.stat().st_size for f in partial.glob("*.i16"))
            require_space(partial, 2 * sum(os.stat(r.path).st_size for r in recordings) - written, "preparing the pairs")
            tasks = tasks_of(recordings, keep)
            journal = Journal(partial, corpus.splits)
            done, quiet = len(journal.rows), not (progress and sys.stderr.isatty())
            results = _in_order(tasks[done:], keep, workers or os.cpu_count() or 1)
            for row, x, y in tqdm(results, f"preparing {corpus.name}", len(tasks), initial=done, unit="file", disable=quiet):
                journal.add(row, x, y)
            _finish(corpus, partial, journal.rows, mark)
        files.swap(partial, target)
    return target


def _check_fetched(corpus: Corpus) -> None:
    """Raise CorpusError if recordings of a fetched corpus are missing or were changed since, which would make another corpus."""
    marker = corpus.folder / "fetched.json"
    if marker.exists() and files.read_json(marker, "content_sha256")["content_sha256"] != corpora.content_hash(corpus.folder):
        raise CorpusError(
            f"The recordings in {paths.shown(corpus.folder)} are not those that were fetched: some are missing, damaged or new. "
            f"Delete {paths.shown(marker)} and start again, and they are fetched again."
        )


def make_ready(corpus: Corpus, *, progress: bool = True) -> Path:
    """Return the folder of the prepared pairs, after fetching and preparing if necessary. Pairs without recordings are used as they are.

    Raise the errors of `fetching.fetch` and `prepare`.
    """
    if corpus.combined:
        return _each_part(corpus, lambda part: make_ready(part, progress=progress))
    target = paths.prepared(corpus.name)
    files.restore(target)
    if is_prepared(target) and not corpus.folder.exists():
        return target
    fetching.fetch(corpus)
    return prepare(corpus, progress=progress)


def _each_part(corpus: Corpus, work: Callable[[Corpus], Path]) -> Path:
    """Do the work for each part, check that the parts share nothing, and return their common folder."""
    for part in corpus.combined:
        work(part)
    dataset.check_disjoint(corpus.name)
    return paths.prepared("")


def is_prepared(folder: Path, mark: str | None = None) -> bool:
    """Return whether `folder` holds a complete preparation, with the fingerprint `mark` if one is given."""
    summary = folder / "corpus.json"
    return summary.exists() and mark in (None, files.read_json(summary)["fingerprint"])


def _in_order(tasks: list[Recording], keep: Keep, workers: int):
    """Yield the results in the order of the tasks, at most eight per worker ahead, which limits the memory in use."""
    if workers == 1 or len(tasks) < 64:  # starting processes, each of which compiles resampy, would take longer
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
    """The growing files of a preparation: the samples of each split, and a journal with one row per task.

    A row is written after its samples. If the process is killed, there may be samples without a row; the next start removes them.
    """

    def __init__(self, folder: Path, splits: tuple[str, ...]) -> None:
        self.file = folder / "journal.jsonl"
        written = self.file.read_bytes() if self.file.exists() else b""
        written = written[: written.rfind(b"\n") + 1]  # complete lines
        try:
            self.rows = [json.loads(line) for line in written.splitlines()]
            damaged = any(not {"split", "name", "start"} <= r.keys() or not {"reason", "length"} & r.keys() for r in self.rows)
        except (ValueError, AttributeError):
            damaged = True
        if damaged:  # as after a power cut
            self.rows, written = [], b""
        self.samples = {s: [folder / f"{s}_{side}.i16" for side in "xy"] for s in splits}
        kept = [r for r in self.rows if "reason" not in r]
        sizes = {f: 2 * sum(r["length"] for r in kept if r["split"] == s) for s, pair in self.samples.items() for f in pair}
        for file in (self.file, *sizes):
            file.touch()
        if any(file.stat().st_size < size for file, size in sizes.items()):  # samples are missing, as after a power cut
            self.rows, kept, written, sizes = [], [], b"", dict.fromkeys(sizes, 0)
        for file, size in ((self.file, len(written)), *sizes.items()):
            os.truncate(file, size)
        self.seen = {(r["sha256"], r["start"]): r["name"] for r in kept}

    def add(self, row: dict, x: np.ndarray | None, y: np.ndarray | None) -> None:
        """Append the result of a task. A copy of an earlier recording is rejected, because it might be in another split."""
        if x is not None and (original := self.seen.setdefault((row["sha256"], row["start"]), row["name"])) != row["name"]:
            row, x, y = row | {"reason": f"a copy of {original}"}, None, None
        if x is not None and y is not None:
            for file, samples in zip(self.samples[row["split"]], (x, y), strict=True):
                with files.named(file), open(file, "ab") as f:
                    row["offset"] = f.tell() // 2
                    f.write(samples.tobytes())
        with files.named(self.file), open(self.file, "ab") as f:
            f.write(json.dumps(row).encode() + b"\n")
        self.rows.append(row)


def _lack(entry: dict, split: str, rows: list[dict]) -> str:
    """Return what a split needs and has, by speaker, if it has too few recordings that are long enough, else ""."""
    needed, seconds = entry.get("min_recordings", 1), entry.get("min_recording_seconds", 0)
    own: dict[str, list[dict]] = {}
    for row in rows:
        if row["split"] == split:
            own.setdefault(row["speaker"], []).append(row)
    lengths = {s: sorted(r["length"] / SR_HIGH for r in mine if "reason" not in r) for s, mine in own.items()}
    if (enough := sum(n >= seconds for of_speaker in lengths.values() for n in of_speaker)) >= needed:
        return ""
    told = []
    for speaker, mine in list(own.items())[:5]:
        text = f"'{speaker}' has {len(lengths[speaker])} of {len(mine)} recordings"
        text += f", the longest of {lengths[speaker][-1]:.2f} s" if lengths[speaker] else ""
        reasons = Counter(r["reason"].partition(":")[0].partition(" of ")[0] for r in mine if "reason" in r)
        example = next((f"; {r['name']}, {r['reason']}" for r in mine if "reason" in r), "")
        told.append(text + (f" ({', '.join(f'{n} {reason}' for reason, n in reasons.most_common(3))}{example})" if reasons else ""))
    told += [f"{len(own) - 5} more speakers"] if len(own) > 5 else []
    long = f" of at least {seconds:g} s" if seconds else ""
    return f"The split {split!r} needs {needed}{long} and has {enough}: {', '.join(told) or 'no speaker'}."


def _finish(corpus: Corpus, folder: Path, rows: list[dict], mark: str) -> None:
    """Write index.csv, left_out.csv and corpus.json. Raises CorpusError if a split has too few recordings."""
    kept, rejected = [r for r in rows if "reason" not in r], [r for r in rows if "reason" in r]
    if lacking := [text for split in corpus.splits if (text := _lack(corpus.entry, split, rows))]:
        raise CorpusError(
            f"{corpus.name} has too few recordings that can be used. {' '.join(lacking)} "
            "Add full-band recordings at 44.1 kHz or more to the folders of these speakers, or give folders of more speakers."
        )
    for file, fields, listed in (("index.csv", INDEX_FIELDS, kept), ("left_out.csv", LEFT_OUT_FIELDS, rejected)):
        with files.named(folder / file), open(folder / file, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, fields, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(listed)
    hashes = sorted(f"{r['split']} {r['name']} {r.get('sha256')}" for r in kept)
    summary = {
        "corpus": corpus.name,
        **{k: corpus.entry[k] for k in ("title", "licence", "source")},
        "lossy": corpus.entry.get("lossy") or ("some recordings" if any(r["lossy"] for r in kept) else ""),
        "content_sha256": hashlib.sha256("\n".join(hashes).encode()).hexdigest(),
        "fingerprint": mark,
        **({"folder": printable(str(corpus.folder))} if corpus.entry["kind"] == "folder" else {}),
        "sample_rate": SR_HIGH,
        "speakers": {s: sorted({r["speaker"] for r in kept if r["split"] == s}) for s in corpus.splits},
        "utterances": {s: sum(r["split"] == s for r in kept) for s in corpus.splits},
        "seconds": {s: round(sum(r["length"] for r in kept if r["split"] == s) / SR_HIGH, 1) for s in corpus.splits},
        "left_out": len(rejected),
        "keep": corpora.registry()["keep"],
    }
    files.write_json(folder / "corpus.json", summary)
    (folder / "journal.jsonl").unlink()
    (folder / "fingerprint").unlink()
