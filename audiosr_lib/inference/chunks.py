"""Recordings of any length, offline, in parts that join without seams.

A part is enhanced with context on both sides that is longer than the network can see, and the context is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from audiosr_lib import resampling
from audiosr_lib.base import files
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.base.errors import StudyError
from audiosr_lib.inference.deployed import HALVINGS, Deployed
from audiosr_lib.inference.systems import Polyphase

CONTEXT = 16 * HALVINGS  # samples at 44.1 kHz; the network sees fewer than 1200 to either side, a test measures it
PART_SECONDS = 4.0


class InputError(StudyError):
    """A file that cannot be brought to 44.1 kHz."""


def parts(total: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a signal: (begin, end) of what is kept and (first, last) of what must be read for it, context included."""
    for begin in range(0, total, length):
        end = min(begin + length, total)
        last = end + CONTEXT
        yield begin, end, max(begin - CONTEXT, 0), last if last < total else total


@torch.inference_mode()
def enhance_long(model: Deployed, x: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """The network over an interpolated signal of any length, ``(T,) -> (T,)`` float32, in parts.

    Equals the network in double precision on the whole to the rounding of the model's own precision. ValueError for a part of no length.
    """

    def piece(first: int, last: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x[first:last], dtype=np.float32))[None, None].to(model.device)

    return _in_parts(model, piece, len(x), part_seconds)


@torch.inference_mode()
def super_resolve_long(model: Deployed, x_low: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """The whole system on a recording, ``(T,) at 22.05 kHz -> (2T,) at 44.1 kHz``, in parts, all of it on the model's device."""
    upsample, low = _kaiser_fast(model), np.asarray(x_low, dtype=np.float32)[None]
    return _in_parts(model, lambda first, last: upsample(low[:, first // 2 : last // 2]), 2 * len(x_low), part_seconds)


def _in_parts(model: Deployed, piece: Callable[[int, int], torch.Tensor], total: int, part_seconds: float) -> np.ndarray:
    """The network over a signal of `total` samples, of which piece(first, last) gives ``(1, 1, last - first)`` on the device."""
    out = np.empty(total, dtype=np.float32)
    for begin, end, first, last in parts(total, _part_length(part_seconds)):
        out[begin:end] = model(piece(first, last), first, total)[0, 0, begin - first : end - first].cpu().numpy()
    return out


def _kaiser_fast(model: Deployed) -> Callable[[np.ndarray], torch.Tensor]:
    """Interpolation on the model's device, ``(B, T) -> (B, 1, 2T)``: the filter of `resampling.interpolate` as one convolution."""
    filter_ = Polyphase(resampling.shipped_filter("kaiser_fast")).to(model.device)
    return lambda low: filter_(torch.from_numpy(np.ascontiguousarray(low))[:, None].to(model.device))


def _part_length(seconds: float) -> int:
    length = round(seconds * SR_HIGH / HALVINGS) * HALVINGS
    if length <= 0:
        raise ValueError(f"a part of {seconds} s is too short: give at least {HALVINGS / SR_HIGH:.3f} s")
    return length


def frames_at_22050(source: Path) -> int:
    """Samples of each channel of a recording at 22.05 kHz. InputError if it cannot be read, has another rate, or is empty."""
    import soundfile as sf

    try:
        about = sf.info(source)
    except (sf.LibsndfileError, OSError) as error:
        raise InputError(f"{source} cannot be read: {error}") from None
    if about.samplerate != SR_LOW or not about.frames:
        wrong = f"has {about.samplerate} Hz" if about.frames else "is empty"
        raise InputError(
            f"{source.name} {wrong}; the network was made for recordings at {SR_LOW} Hz. Resample it first, for instance by sox."
        )
    return about.frames


def super_resolve_file(model: Deployed, source: Path, target: Path, part_seconds: float = PART_SECONDS, progress=lambda n: None) -> float:
    """Bring a recording at 22.05 kHz to 44.1 kHz, from file to file; memory does not grow with its length.

    Parameters
    ----------
    source : anything that soundfile reads; every channel is enhanced by itself. target : .wav or .flac, 24 bit; appears when it is whole.
    progress : called with the number of samples at 44.1 kHz that are done now.

    Returns
    -------
    Seconds of audio.

    Raises
    ------
    InputError : the source cannot be read, has another rate, or is empty; the target has another suffix.
    """
    import soundfile as sf

    if target.suffix.lower() not in (".wav", ".flac"):
        raise InputError(f"{target.name}: give the result a name that ends in .wav or .flac")
    total = 2 * frames_at_22050(source)
    upsample, format_ = _kaiser_fast(model), target.suffix[1:].upper()
    with (
        files.atomic_write(target) as path,
        sf.SoundFile(source) as reader,
        sf.SoundFile(path, "w", SR_HIGH, reader.channels, "PCM_24", format="RF64" if format_ == "WAV" else format_) as writer,
        torch.inference_mode(),
    ):
        for begin, end, first, last in parts(total, _part_length(part_seconds)):
            reader.seek(first // 2)
            low = reader.read((last - first) // 2, dtype="float32", always_2d=True).T
            # one channel after the other; the ends of the filter lie in the context, too
            made = torch.cat([model(upsample(channel[None]), first, total) for channel in low])
            writer.write(np.clip(made[:, 0, begin - first : end - first].cpu().numpy().T, -1, 1))
            progress(end - begin)
    return total / SR_HIGH
