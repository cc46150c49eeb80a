"""Recordings of any length, enhanced in parts that join without seams.

A part is enhanced with context on both sides. The context is longer than the network's reach and is dropped from the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
import torch

from audiosr_lib import resampling
from audiosr_lib.base import files
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.base.errors import StudyError
from audiosr_lib.inference.deployed import HALVINGS, Deployed
from audiosr_lib.inference.systems import Polyphase

CONTEXT = 16 * HALVINGS  # samples at 44.1 kHz; the network reaches fewer than 1200 to either side, as a test measures
PART_SECONDS = 4.0


class InputError(StudyError):
    """A recording cannot be brought to 44.1 kHz."""


def parts(total: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (begin, end, first, last) for each part of a signal: samples begin .. end are kept, first .. last include the context."""
    for begin in range(0, total, length):
        end = min(begin + length, total)
        yield begin, end, max(begin - CONTEXT, 0), min(end + CONTEXT, total)


@torch.inference_mode()
def enhance_long(model: Deployed, x: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """Return the network's output for an interpolated signal of any length, ``(T,) -> (T,)`` float32, computed in parts.

    It equals the network's output for the whole signal to rounding. Raise ValueError if `part_seconds` is too short.
    """
    signal = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None, None]
    return _in_parts(model, lambda first, last: signal[..., first:last].to(model.device), len(x), part_seconds)


@torch.inference_mode()
def super_resolve_long(model: Deployed, x_low: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """Return a recording at 44.1 kHz, ``(T,) at 22.05 kHz -> (2T,)``: interpolation and network, in parts, on the model's device."""
    upsample, low = _kaiser_fast(model), np.asarray(x_low, dtype=np.float32)[None]
    return _in_parts(model, lambda first, last: upsample(low[:, first // 2 : last // 2]), 2 * len(x_low), part_seconds)


def _in_parts(model: Deployed, piece: Callable[[int, int], torch.Tensor], total: int, part_seconds: float) -> np.ndarray:
    """Return the output for a signal of `total` samples, of which piece(first, last) returns ``(1, 1, last - first)`` on the device."""
    out = np.empty(total, dtype=np.float32)
    for begin, end, first, last in parts(total, _part_length(part_seconds)):
        out[begin:end] = model(piece(first, last), first, total)[0, 0, begin - first : end - first].cpu().numpy()
    return out


def _kaiser_fast(model: Deployed) -> Callable[[np.ndarray], torch.Tensor]:
    """Return `resampling.interpolate` as one convolution on the model's device, ``(B, T) -> (B, 1, 2T)``."""
    filter_ = Polyphase(resampling.shipped_filter("kaiser_fast")).to(model.device)
    return lambda low: filter_(torch.from_numpy(np.ascontiguousarray(low))[:, None].to(model.device))


def _part_length(seconds: float) -> int:
    length = round(seconds * SR_HIGH / HALVINGS) * HALVINGS
    if length <= 0:
        raise ValueError(f"a part of {seconds} s is too short: give at least {HALVINGS / SR_HIGH:.3f} s")
    return length


def frames_at_22050(source: Path) -> int:
    """Return the number of samples per channel of a recording at 22.05 kHz; raise InputError as `super_resolve_file` does."""
    try:
        about = sf.info(source)
    except (sf.LibsndfileError, OSError) as error:
        raise InputError(f"{source} cannot be read: {error}") from None
    if not about.frames:
        raise InputError(f"{source.name} is empty: give a recording with at least one sample")
    if about.samplerate != SR_LOW:
        raise InputError(f"{source.name} has {about.samplerate} Hz: resample it to {SR_LOW} Hz first, for instance with sox")
    return about.frames


def super_resolve_file(model: Deployed, source: Path, target: Path, part_seconds: float = PART_SECONDS, progress=lambda n: None) -> float:
    """Write a recording at 22.05 kHz to a file at 44.1 kHz and return its duration in seconds. Memory does not grow with its length.

    Parameters
    ----------
    source : file that soundfile can read; every channel is enhanced separately.
    target : .wav or .flac file of 24 bit. It appears when it is complete.
    progress : called after each part with its number of samples at 44.1 kHz.

    Raises
    ------
    InputError : the source cannot be read, has another rate, or is empty; or the target has another suffix.
    """
    if target.suffix.lower() not in (".wav", ".flac"):
        raise InputError(f"the result cannot be written to {target.name}: give a name that ends in .wav or .flac")
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
            # one channel at a time, to save memory; the edges of the filter lie in the context, too
            made = torch.cat([model(upsample(channel[None]), first, total) for channel in low])
            writer.write(np.clip(made[:, 0, begin - first : end - first].cpu().numpy().T, -1, 1))
            progress(end - begin)
    return total / SR_HIGH
