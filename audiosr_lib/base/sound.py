"""Reading and writing sound files. A recording is recognised by its content and read to its end, whatever its name and header say.

What is wrong with a recording, and what follows:

    whole        The header leaves the length open (a recorder that crashed, an encoder that wrote to a pipe, MP3 that does not count its
                 frames), samples exceed full scale, or another recording follows in the file (Ogg or MP3 files that were joined), which
                 is not read. The preparation keeps the recording; its pairs get a gain in any case. The enhancer warns and goes on; a
                 recording that exceeds full scale gets one gain that brings its peak just below it.
    not whole    The file is truncated or damaged, or contains NaN or infinity. Reading raises `SoundError`. The preparation leaves the
                 recording out and lists the reason. The enhancer writes nothing and says what to do.
    unreadable   The same.

Memory does not grow with the length of a recording.
"""

from __future__ import annotations

import io
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf

from audiosr_lib.base.errors import StudyError

PEAK = 0.999  # of a recording that is brought below full scale
BLOCK = 4096  # frames
# Sizes that stand for "unknown" in headers, mostly of files written to a pipe: 0; the largest number, signed or not, or nearly so.
UNKNOWN_SIZES = (range(1), range(0x7FFF_F000, 0x8000_0001), range(0xFFFF_F000, 0x1_0000_0000))
# Words of libsndfile's log: of files that are cut short, and of those whose length is open. Some encoders of Ogg never mark the end.
CUT = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
OPEN = re.compile("lacks an end-of-stream bit|wasn't closed properly")
FIRST_BYTES = {"OGG": b"OggS\0\x02", "FLAC": b"fLaC\0\0\0\x22"}
LARGEST_REST = 1 << 12  # bytes after the last chunk of a WAV file that may be anything but samples
MP3_RATIO = 64  # the largest frame of an MP3 has fewer times the bytes of the smallest


class SoundError(StudyError):
    """A recording cannot be used, or a sound file cannot be written."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds  # of sound before the fault


@dataclass(frozen=True)
class Survey:
    """What a whole recording holds."""

    rate: int  # Hz
    channels: int
    frames: int
    length_open: bool  # the header does not say how many frames there are
    peak: float  # largest absolute sample
    integers: bool  # the samples are integers, stored as floating-point numbers
    followed: bool  # another recording follows in the file, which is not read

    @property
    def gain(self) -> float:
        """The gain for a recording that exceeds full scale; 1 for others."""
        if self.peak <= 1:
            return 1.0
        return 1 / next((full for full in (2**15, 2**23, 2**31) if self.integers and self.peak <= full), self.peak / PEAK)


class _Bytes:
    """A binary file for soundfile, which prints an error of reading or writing and goes on. Here `error` keeps it, to be raised.

    Parameters
    ----------
    file : binary file that can seek.
    times : the file seems to be so many times as long; reading on still ends where it ends.
    at : offset of the bytes that `patch` replaces.
    patch : bytes to read there.
    """

    def __init__(self, file, times: int = 1, at: int = 0, patch: bytes = b"") -> None:
        self.file, self.at, self.patch, self.error = file, at, patch, None
        self.size = file.seek(0, io.SEEK_END)
        self.seeming = self.size * times
        file.seek(0)

    def readinto(self, buffer) -> int:
        begin = self.file.tell()
        if begin > self.size:  # for a tag at the end
            buffer[:] = bytes(len(buffer))
            return len(buffer)
        count = self._try(self.file.readinto, buffer)
        for i in range(max(self.at - begin, 0), min(self.at + len(self.patch) - begin, count)):
            buffer[i : i + 1] = self.patch[begin + i - self.at :][:1]
        return count

    def write(self, data: bytes) -> int:
        return self._try(self.file.write, data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        offset += {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self.seeming}[whence]
        if offset >= 0 and self.error is None:
            self._try(self.file.seek, offset)
        return self.tell()

    def tell(self) -> int:
        return self.file.tell()

    def _try(self, call, argument) -> int:
        try:
            return call(argument)
        except BaseException as error:  # also Ctrl-C
            self.error = self.error or error
            return 0


class _Sequential(sf.SoundFile):
    """A sound file that soundfile does not seek in after each read, which fails where the length is unknown."""

    def seekable(self) -> bool:
        return False


class Recording:
    """An open recording, to be read once, from its beginning to its end.

    `frames` is their number, as far as it can be known without reading to the end, or None. `length_open` says whether the header leaves
    it open. `followed` becomes True at the end if another recording follows in the file, which is not read.

    Parameters
    ----------
    file : binary file that can seek.

    Raises
    ------
    SoundError : the file is not a sound file that libsndfile can read.
    """

    def __init__(self, file) -> None:
        self.followed = False
        self._open(_Bytes(file))
        if self._sound.subtype.startswith("MPEG") and not _counts_frames(file):
            self._open(_Bytes(file, times=MP3_RATIO))  # libsndfile stops at a length that it estimates; this estimate is too long
            self.frames = None
        elif self._sound.format in ("WAV", "WAVEX") and (at := _open_size(file)):
            self._open(_Bytes(file, at=at, patch=b"\xff\xff\xff\xff"))
        elif self._sound.format == "RF64" and not self.frames:
            self._open(_Bytes(file, patch=b"RIFF"))  # without the field of 64 bits, which is empty
        self.rate, self.channels, log = self._sound.samplerate, self._sound.channels, self._sound.extra_info
        self.subtype: str = self._sound.subtype
        self._cut = self._sound.format == "OGG" and _ends_within_a_page(file)
        self.length_open = self.frames is None or bool(OPEN.search(log))
        if sizes := CUT.search(log):
            declared, actual = (int(n) for n in sizes.groups())
            if any(declared in sizes for sizes in UNKNOWN_SIZES):
                self.length_open = True
            else:
                self._cut, self.frames = True, round(self._sound.frames * declared / max(actual, 1))

    def blocks(self, start: int = 0, frames: int = -1) -> Iterator[np.ndarray]:
        """Yield the samples in blocks, ``(n, channels)`` float32.

        Parameters
        ----------
        start : first frame.
        frames : number of frames; -1: to the end, which is then checked.

        Raises
        ------
        SoundError : the recording is truncated or damaged, or contains NaN or infinity.
        """
        at, stop = start, start + frames if frames >= 0 else self.frames  # not beyond it, where a decoder may fail on a tag
        if start and self.frames is not None and self._sound.format != "MP3" and sf.SoundFile.seekable(self._sound):
            self._guarded(at, self._sound.seek, start)  # exact, except in MP3
        else:
            at = 0
        while stop is None or at < stop:
            wanted = BLOCK if stop is None else min(BLOCK, stop - at)
            block = self._guarded(at, self._sound.read, wanted, dtype="float32", always_2d=True)
            if not len(block):
                break
            self._check_finite(block, at)
            at += len(block)
            if at > start:
                yield block[max(start - at, -len(block)) :]
        if frames < 0:
            self._check_end(at)
        elif at < start + frames:
            raise self._not_whole("truncated", at)

    def _open(self, file: _Bytes) -> None:
        self._bytes = file
        if not file.size:
            raise SoundError("unreadable: the file is empty")
        try:
            self._sound = _Sequential(file)
        except sf.LibsndfileError as error:
            raise file.error or SoundError(f"unreadable: {_text(error) or 'no sound found'}") from None
        self.frames: int | None = self._sound.frames if self._sound.frames < 2**62 else None

    def _guarded(self, at: int, call, *arguments, **options):
        """Return what a method of soundfile returns; frames before `at` are read."""
        try:
            result = call(*arguments, **options)
        except sf.LibsndfileError as error:
            if self._bytes.error is None:
                at_end = self._bytes.tell() == self._bytes.size
                raise self._not_whole("truncated" if at_end else "damaged", at, _text(error)) from None
        if self._bytes.error is not None:
            raise self._bytes.error
        return result

    def _check_finite(self, block: np.ndarray, at: int) -> None:
        if not np.isfinite(block).all():
            frame, channel = np.argwhere(~np.isfinite(block))[0]
            seconds = (at + frame) / self.rate
            raise SoundError(f"contains NaN or infinite samples: the first at {seconds:.3f} s in channel {channel + 1}", seconds)

    def _check_end(self, frames: int) -> None:
        if self._cut:
            raise self._not_whole("truncated", frames)
        if self.frames is not None and frames < self.frames:
            raise self._not_whole("damaged" if self._sound.format == "OGG" else "truncated", frames)
        self.followed = self._sound.format == "MP3" and bool(re.match(rb"ID3|\xff[\xe2-\xff]", self._bytes.file.read(3)))
        self.followed |= self._sound.format in FIRST_BYTES and _holds(self._bytes.file, FIRST_BYTES[self._sound.format])

    def _not_whole(self, kind: str, frames: int, reason: str = "") -> SoundError:
        seconds = frames / self.rate
        of = f" of {self.frames} samples ({seconds:.2f} of {self.frames / self.rate:.2f} s)" if (self.frames or 0) > frames else None
        return SoundError(f"{kind}: {frames}{of or f' samples ({seconds:.2f} s)'} can be read{reason and f' ({reason})'}", seconds)


def _text(error: sf.LibsndfileError) -> str:
    return error.error_string.strip().removeprefix("Error : ").rstrip(".")


def _counts_frames(file) -> bool:
    """Return whether an MP3 file begins with a frame that says how many follow."""
    position, at = file.tell(), 0
    while file.seek(at) == at and (head := file.read(10))[:3] == b"ID3":
        at += 10 + sum((byte & 127) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
    file.seek(at)
    found = re.search(rb"(?:Xing|Info)...(.)", file.read(4096), re.DOTALL)
    file.seek(position)
    return bool(found and found[1][0] & 1)


def _ends_within_a_page(file) -> bool:
    """Return whether the last page of an Ogg file is incomplete."""
    position = file.tell()
    file.seek(max(file.seek(0, io.SEEK_END) - (1 << 16), 0))  # a page has fewer bytes
    tail = file.read()
    file.seek(position)
    page = tail[tail.rfind(b"OggS") :]
    return len(page) < 27 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _holds(file, wanted: bytes) -> bool:
    """Return whether some bytes occur in a file, other than at its beginning."""
    position, end = file.tell(), b""
    file.seek(1)
    while (data := file.read(1 << 16)) and not (found := wanted in end + data):
        end = data[1 - len(wanted) :]
    file.seek(position)
    return bool(data) and found


def _open_size(file) -> int | None:
    """Return the offset of the size of a WAV file's samples if more samples follow than it says, otherwise None.

    A recorder that crashes leaves the size 0, or as it was some time before. What follows the samples are then no chunks.
    """
    position, size, at, found, said = file.tell(), file.seek(0, io.SEEK_END), 12, None, 0
    while at + 8 <= size:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        if found and not name.strip().isalnum():
            break
        if name == b"data" and not found:
            found, said = at + 4, length
        at += 8 + length + length % 2
    file.seek(min(at, size))
    tag = file.read(8).startswith((b"ID3", b"TAG", b"APETAGEX"))
    file.seek(position)
    follow = size - at > LARGEST_REST if said else at not in (size, size + 1)
    return found if follow and not tag else None


@contextmanager
def opened(source: Path | bytes) -> Iterator[Recording]:
    """Yield the open recording of a file or of a file's content. Raise SoundError if it is none."""
    if isinstance(source, bytes):
        yield Recording(io.BytesIO(source))
        return
    try:
        if source.is_dir():
            raise SoundError("unreadable: a folder, not a file")
        if not stat.S_ISREG(source.stat().st_mode):
            raise SoundError("unreadable: a pipe or device. Save the sound to a file first")
        content = source.open("rb")
    except OSError as error:
        raise SoundError(f"unreadable: {error.strerror}") from None
    with content:
        yield Recording(content)


def survey(source: Path | bytes) -> Survey:
    """Return what a recording holds, after reading it to its end. Raise SoundError if it is not whole."""
    frames, peak, integers = 0, 0.0, True
    with opened(source) as recording:
        for block in recording.blocks():
            frames += len(block)
            peak = max(peak, float(np.abs(block).max()))
            integers = integers and bool((block == np.rint(block)).all())
    return Survey(recording.rate, recording.channels, frames, recording.length_open, peak, integers, recording.followed)


def is_lossy(source: Path | bytes) -> bool:
    """Return whether the samples of a sound file passed a lossy codec: Vorbis, Opus or MP3."""
    with opened(source) as recording:
        return recording.subtype in ("VORBIS", "OPUS") or recording.subtype.startswith("MPEG")


@contextmanager
def created(path: Path, rate: int, channels: int, subtype: str, format: str) -> Iterator[sf.SoundFile]:
    """Yield a new sound file to write to. Raise OSError if writing fails, for instance because the disk is full."""
    with open(path, "wb") as file:
        through = _Bytes(file)
        try:
            with sf.SoundFile(through, "w", rate, channels, subtype, format=format) as writer:
                yield writer
        finally:
            if through.error is not None:
                raise through.error
