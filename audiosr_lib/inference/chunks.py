"""Recordings of any length, enhanced in parts that join without seams.

A part is enhanced with context on both sides. The context is longer than the network's reach and is dropped from the result.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile as sf
import torch

from audiosr_lib import resampling
from audiosr_lib.base import files, sound
from audiosr_lib.base.constants import SR_HIGH, SR_LOW
from audiosr_lib.base.errors import StudyWarning, printable
from audiosr_lib.base.sound import SoundError
from audiosr_lib.inference.deployed import Deployed, DeployedLight
from audiosr_lib.inference.systems import Polyphase

Network = Deployed | DeployedLight
PART_SECONDS = 4.0
SUBTYPES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}  # bytes of a sample
FLAC_CHANNELS = 8
LARGEST_WAV = 2**32 - 2**12  # bytes of sound; the rest is for the header
LOWEST_HZ = 20.0  # that the network may add to a file
FADE_SECONDS = 0.01


def parts(total: int, length: int, context: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (begin, end, first, last) for each part of a signal: samples begin .. end are kept, first .. last include the context."""
    for begin in range(0, total, length):
        end = min(begin + length, total)
        yield begin, end, max(begin - context, 0), min(end + context, total)


@torch.inference_mode()
def enhance_long(model: Network, x: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """Return the network's output for an interpolated signal of any length, ``(T,) -> (T,)`` float32, computed in parts.

    It equals the network's output for the whole signal to rounding. Raise ValueError if `part_seconds` is too short.
    """
    signal = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None, None]
    return _in_parts(model, lambda first, last: signal[..., first:last].to(model.device), len(x), part_seconds)


@torch.inference_mode()
def super_resolve_long(model: Network, x_low: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """Return a recording at 44.1 kHz, ``(T,) at 22.05 kHz -> (2T,)``: interpolation and network, in parts, on the model's device."""
    if model.interpolation == "soxr_vhq":
        return enhance_long(model, resampling.interpolate(np.asarray(x_low, dtype=np.float32), model.interpolation), part_seconds)
    upsample, low = _upsampler(model), np.asarray(x_low, dtype=np.float32)[None]
    return _in_parts(model, lambda first, last: upsample(low[:, first // 2 : last // 2]), 2 * len(x_low), part_seconds)


def _in_parts(model: Network, piece: Callable[[int, int], torch.Tensor], total: int, part_seconds: float) -> np.ndarray:
    """Return the output for a signal of `total` samples, of which piece(first, last) returns ``(1, 1, last - first)`` on the device."""
    out = np.empty(total, dtype=np.float32)
    for begin, end, first, last in parts(total, _part_length(part_seconds, model.grid), model.context):
        out[begin:end] = model(piece(first, last), first, total)[0, 0, begin - first : end - first].cpu().numpy()
    return out


def _upsampler(model: Network) -> Callable[[np.ndarray], torch.Tensor]:
    """Return the interpolation for a network as one convolution on its device, ``(B, T) -> (B, 1, 2T)``; kaiser_best for that of soxr."""
    method = "kaiser_best" if model.interpolation == "soxr_vhq" else model.interpolation
    filter_ = Polyphase(resampling.shipped_filter(method)).to(model.device)
    return lambda low: filter_(torch.from_numpy(np.ascontiguousarray(low))[:, None].to(model.device))


def _part_length(seconds: float, grid: int) -> int:
    length = round(seconds * SR_HIGH / grid) * grid
    if length <= 0:
        raise ValueError(f"a part of {seconds} s is too short: give at least {grid / SR_HIGH:.3f} s")
    return length


def super_resolve_file(
    model: Network,
    source: Path,
    target: Path,
    part_seconds: float = PART_SECONDS,
    progress: Callable[[int], object] = lambda n: None,
    subtype: str = "PCM_24",
    force: bool = False,
) -> float:
    """Write a recording at 22.05 kHz to a file at 44.1 kHz and return its duration in seconds. Memory does not grow with its length.

    The network adds no constant, nothing below 20 Hz, and no click at the ends: `Addition`. The source is read twice.

    Parameters
    ----------
    source : sound file; every channel is enhanced separately.
    target : .wav or .flac file. It appears when it is complete.
    progress : called after each part with its number of samples at 44.1 kHz.
    subtype : sample format of the target, one of `SUBTYPES`.
    force : replace the target if it exists.

    Raises
    ------
    SoundError : the source is not whole, has another rate, or is empty; or the target cannot be written.
    """
    format_ = _checked_target(source, target, subtype, force)
    about = _checked_source(source)
    if format_ == "FLAC" and about.channels > FLAC_CHANNELS:
        raise SoundError(f"{source} has {about.channels} channels, and FLAC holds {FLAC_CHANNELS}: give a target that ends in .wav")
    size = 2 * about.frames * about.channels * SUBTYPES[subtype]
    if format_ == "WAV" and size > LARGEST_WAV:
        format_ = "RF64"
    over, peak = 0, 0.0
    if format_ != "FLAC" and (free := shutil.disk_usage(target.parent).free) < size:
        raise SoundError(f"{target} needs {size / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB free: give a target on a larger disk")
    with (
        files.atomic_write(target) as path,
        sound.opened(source) as recording,
        sound.created(path, SR_HIGH, about.channels, subtype, format_) as writer,
        torch.inference_mode(),
    ):
        for made in _enhanced(model, recording.blocks(), about, part_seconds):
            if subtype != "FLOAT" and (largest := float(np.abs(made).max(initial=0))) > 1:
                over, peak = over + int((np.abs(made) > 1).sum()), max(peak, largest)
                made = made.clip(-1, 1)
            writer.write(made)
            progress(len(made))
        _refuse_existing(target, force)  # another program may have made it meanwhile
    if over:
        warnings.warn(
            f"{target}: {over} samples exceeded full scale, by up to {20 * np.log10(peak):.1f} dB, and were limited to it. "
            "--subtype FLOAT with a .wav keeps them.",
            StudyWarning,
            stacklevel=2,
        )
    return 2 * about.frames / SR_HIGH


def _checked_target(source: Path, target: Path, subtype: str, force: bool) -> str:
    """Return the format of the target, WAV or FLAC; raise SoundError if it cannot be written."""
    format_ = target.suffix[1:].upper()
    if format_ not in ("WAV", "FLAC"):
        raise SoundError(f"the result cannot be written to {target.name}: give a name that ends in .wav or .flac")
    if subtype not in SUBTYPES or not sf.check_format(format_, subtype):
        allowed = ", ".join(s for s in SUBTYPES if sf.check_format(format_, s))
        raise SoundError(f"{format_} does not hold {subtype}: choose one of {allowed}{', or .wav' if subtype in SUBTYPES else ''}")
    if target.is_dir():
        raise SoundError(f"{target} is a folder: give the name of a file in it")
    if source.exists() and target.exists() and source.samefile(target):
        raise SoundError(f"{target} is the recording itself: give another name for the result")
    _refuse_existing(target, force)
    try:
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise SoundError(f"{target} cannot be written ({error.strerror}): choose a folder that exists and is yours to write to") from None
    return format_


def _refuse_existing(target: Path, force: bool) -> None:
    if os.path.lexists(target) and not force:
        raise SoundError(f"{target} exists: give another name, or --force to replace it")


def _checked_source(source: Path) -> sound.Survey:
    """Return what the recording holds, with warnings of what is unusual; raise SoundError if it cannot be enhanced."""
    begin, end = f"ffmpeg -i {shlex.quote(f'file:{printable(source)}')}", f"-ar {SR_LOW} OUT.wav"
    convert = f"{begin} {end}"
    try:
        about = sound.survey(source)
    except SoundError as error:
        sound_until = int(100 * error.seconds) / 100
        if sound_until:
            advice = f". To keep the sound before that: {begin} -t {sound_until} {end}"
        else:
            advice = f". If it is a recording, convert it: {convert}" if source.is_file() and source.stat().st_size else ""
        raise SoundError(f"{source}: {error}{advice}") from None
    if not about.frames:
        raise SoundError(f"{source} is empty: give a recording with at least one sample")
    if about.rate != SR_LOW:
        raise SoundError(f"{source} has a sample rate of {about.rate} Hz, not {SR_LOW} Hz. Convert it: {convert}")
    said, seconds = [], about.frames / about.rate
    if about.length_open:
        said.append(f"its header lacks its length, or has a wrong one; {seconds:.2f} s were read, up to the end of the file")
    if about.followed:
        said.append(f"another recording follows after {seconds:.2f} s and is not read. To join both: {convert}")
    if about.gain != 1:
        kind = "it holds integers as floating-point numbers" if about.integers else "it exceeds full scale"
        said.append(f"{kind} (peak {about.peak:.6g}); all of it gets a gain of {20 * np.log10(about.gain):.2f} dB")
    for text in said:
        warnings.warn(f"{source}: {text}", StudyWarning, stacklevel=3)
    return about


def _enhanced(model: Network, blocks: Iterator[np.ndarray], about: sound.Survey, part_seconds: float) -> Iterator[np.ndarray]:
    """Yield the enhanced recording in pieces, ``(n, channels)``.

    The network sees the recording between two stretches of silence. They keep the edges of its layers out of the result, and the
    filter of `Addition` starts within the first.
    """
    before, after, length = 2 * model.context, model.context, 2 * about.frames
    silences = (np.zeros((n // 2, about.channels), dtype=np.float32) for n in (before, after))
    upsample, addition = _upsampler(model), Addition(length)
    bounds = list(parts(before + length + after, _part_length(part_seconds, model.grid), model.context))
    lows = _windows(chain([next(silences)], (about.gain * block for block in blocks), silences), bounds)
    for (begin, end, first, _), low in zip(bounds, lows, strict=True):
        # one channel at a time, to save memory; the edges of the interpolation lie in the context, too
        inputs = [upsample(channel[None]) for channel in low.T]
        made = [model(x, first, before + length + after) - x for x in inputs]
        x, added = (torch.cat(s)[:, 0, begin - first : end - first].cpu().numpy().T for s in (inputs, made))
        start = max(begin, model.context)  # before it, the edges of the layers are seen
        result = x[start - begin :] + addition(added[start - begin :], start - before)
        yield result[max(before - start, 0) : max(before + length - start, 0)]


def _windows(blocks: Iterator[np.ndarray], bounds: list[tuple[int, int, int, int]]) -> Iterator[np.ndarray]:
    """Yield the samples first // 2 .. last // 2 for each of the `parts`, from blocks that follow each other."""
    held, at = next(blocks), 0
    for _, _, first, last in bounds:
        held, at = held[first // 2 - at :], first // 2
        pieces = [held]
        while sum(map(len, pieces)) < last // 2 - at:
            pieces.append(next(blocks, None))
            if pieces[-1] is None:
                raise SoundError("the recording became shorter while it was read: start again when it is complete")
        held = np.concatenate(pieces)
        yield held[: last // 2 - at]


class Addition:
    """What the network adds to the interpolation, without what is below 20 Hz, and faded in and out over 10 ms.

    Called with consecutive pieces of the addition, ``(n, channels)``, and the place of the first sample in the recording, it returns
    the filtered pieces. The filter starts as if the first sample had lasted forever.

    Parameters
    ----------
    length : samples of the recording at 44.1 kHz.
    """

    def __init__(self, length: int) -> None:
        self.length, self.state = length, None
        self.sos = scipy.signal.butter(2, LOWEST_HZ, "highpass", fs=SR_HIGH, output="sos")

    def __call__(self, added: np.ndarray, begin: int) -> np.ndarray:
        if not len(added):
            return added
        if self.state is None:
            self.state = scipy.signal.sosfilt_zi(self.sos)[..., None] * added[0].astype(np.float64)
        filtered, self.state = scipy.signal.sosfilt(self.sos, added.astype(np.float64), axis=0, zi=self.state)
        place = begin + np.arange(len(added))
        distance = np.minimum(place + 1, self.length - place)  # to the nearer end
        return (filtered * (distance / (FADE_SECONDS * SR_HIGH)).clip(0, 1)[:, None]).astype(np.float32)
