"""Sound files as recorders, encoders and accidents leave them. Each maker returns the bytes of a file with the samples `x`, ``(T,)``."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile as sf


def made(x: np.ndarray, rate: int, format: str, subtype: str | None = None, **options) -> bytes:
    """A good file."""
    file = io.BytesIO()
    sf.write(file, x, rate, format=format, subtype=subtype, **options)
    return file.getvalue()


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def wav_sizes(x, rate, riff: int, size: int) -> bytes:
    """A WAV file with other sizes in its header."""
    return patched(patched(made(x, rate, "WAV"), 4, struct.pack("<I", riff)), 40, struct.pack("<I", size))


def rf64_to_a_pipe(x, rate) -> bytes:
    data = made(x, rate, "RF64")
    return patched(patched(data, 20, bytes(24)), data.index(b"data") + 4, b"\xff" * 4)


def aiff_to_a_pipe(x, rate) -> bytes:
    data = made(x, rate, "AIFF")
    return patched(patched(data, 4, bytes(4)), data.index(b"SSND") + 4, bytes(4))


def flac_to_a_pipe(x, rate) -> bytes:
    """The encoder could not return to fill in the number of samples, 36 bits."""
    data = made(x, rate, "FLAC")
    return patched(data, 21, bytes([data[21] & 0xF0, 0, 0, 0, 0]))


def mp3_without_count(x, rate) -> bytes:
    """Variable bit rate, without the first frame, which counts the others: the length is an estimate from one frame."""
    data = made(x, rate, "MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    assert b"Xing" in data[:100]
    return data[data.index(data[:2], 4) :]


def mp3_with_tags(x, rate) -> bytes:
    """The same between a picture and a title."""
    return b"ID3\3\0\0" + bytes([0, 0, 0x40, 0]) + bytes(0x2000) + mp3_without_count(x, rate) + b"TAG" + bytes(125)


def ogg_without_end(x, rate) -> bytes:
    """As an encoder makes it that never marks the last page."""
    data = made(x, rate, "OGG")
    at = data.rindex(b"OggS")
    page = patched(patched(data[at:], 5, bytes([data[at + 5] & ~4])), 22, bytes(4))
    crc = 0
    for byte in page:  # the checksum of Ogg
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return data[:at] + patched(page, 22, struct.pack("<I", crc))


# Whole recordings whose header says a wrong length or none.
OPEN = {
    "a recorder crashed.wav": lambda x, rate: wav_sizes(x, rate, 2 * len(x) + 36, 0),
    "a recorder crashed at once.wav": lambda x, rate: wav_sizes(x, rate, 0, 0),
    "a recorder crashed later.wav": lambda x, rate: wav_sizes(x, rate, 1036, 1000),
    "ffmpeg to a pipe.wav": lambda x, rate: wav_sizes(x, rate, 0xFFFFFFFF, 0xFFFFFFFF),
    "sox to a pipe.wav": lambda x, rate: wav_sizes(x, rate, 0x7FFFF024, 0x7FFFF000),
    "arecord to a pipe.wav": lambda x, rate: wav_sizes(x, rate, 0x80000024, 0x80000000),
    "long to a pipe.wav": rf64_to_a_pipe,
    "aiff to a pipe.wav": aiff_to_a_pipe,
    "flac to a pipe.flac": flac_to_a_pipe,
    "ogg without end.ogg": ogg_without_end,
}


def cut(format: str, share: float = 0.5, **options):
    def make(x, rate):
        data = made(x, rate, format, **options)
        return data[: round(share * len(data))]

    return make


def zeroed(format: str):
    """A maker of files with a hole in the middle."""

    def make(x, rate):
        data = made(x, rate, format)
        return patched(data, len(data) // 2, bytes(2500))

    return make


def flipped(x, rate) -> bytes:
    data = made(x, rate, "FLAC")
    return patched(data, len(data) // 2, bytes([data[len(data) // 2] ^ 16]))


# Recordings that are not whole, and the first word of what is said.
NOT_WHOLE = {
    "cut.wav": (cut("WAV"), "truncated"),
    "cut by little.wav": (cut("WAV", 0.999), "truncated"),
    "cut64.wav": (cut("RF64"), "truncated"),
    "cut.w64.wav": (cut("W64"), "truncated"),
    "cut.aiff.wav": (cut("AIFF"), "truncated"),
    "cut.flac": (cut("FLAC"), "truncated"),
    "cut by little.flac": (cut("FLAC", 0.999), "truncated"),
    "cut.ogg": (cut("OGG"), "truncated"),
    "cut.mp3": (cut("MP3"), "truncated"),
    "cut vbr.mp3": (cut("MP3", bitrate_mode="VARIABLE", compression_level=0.5), "truncated"),
    "hole.flac": (zeroed("FLAC"), "damaged"),
    "hole.ogg": (zeroed("OGG"), "damaged"),
    "hole.mp3": (zeroed("MP3"), "damaged"),
    "one bit.flac": (flipped, "damaged"),
    "cut of unknown length.flac": (lambda x, rate: flac_to_a_pipe(x, rate)[:-1000], "truncated"),
}
