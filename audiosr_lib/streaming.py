"""Recordings of any length, in parts whose seams cannot be told from the rest. ``python -m audiosr_lib.streaming IN OUT``

A part is enhanced with a margin on both sides that is longer than the network can see, and the margin is thrown away.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from audiosr_lib import engine, files, inference, paths, resampling
from audiosr_lib.dataset import NotPrepared
from audiosr_lib.deployed import HALVINGS, Captured, Deployed
from audiosr_lib.resampling import SR_HIGH, SR_LOW
from audiosr_lib.unet import UNet

MARGIN = 16 * HALVINGS  # samples at 44.1 kHz; the network sees fewer than 1200 to either side, a test measures it
PART_SECONDS = 4.0
TRIED_SECONDS = {"cpu": (1.0, 2.0, 4.0), "cuda": (2.0, 8.0, 32.0)}  # lengths of a part that `fastest` tries; longer ones take more memory
TRIALS_FROM_SECONDS = 120.0  # a shorter recording is done before trying would pay


class InputError(ValueError):
    """A file that cannot be brought to 44.1 kHz; the message says what to do."""


def parts(total: int, length: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut a signal: (begin, end) of what is kept and (first, last) of what must be read for it, margins included."""
    for begin in range(0, total, length):
        end = min(begin + length, total)
        last = end + MARGIN
        yield begin, end, max(begin - MARGIN, 0), last if last < total else total


@torch.inference_mode()
def enhance_long(model: Deployed | Captured, x: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """The network over an interpolated signal of any length, ``(T,) -> (T,)`` float32, in parts.

    Equals the network in double precision on the whole to the rounding of the model's own precision. ValueError for a part of no length.
    """

    def piece(first: int, last: int) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x[first:last], dtype=np.float32))[None, None].to(model.device)

    return _in_parts(model, piece, len(x), part_seconds)


@torch.inference_mode()
def super_resolve_long(model: Deployed | Captured, x_low: np.ndarray, part_seconds: float = PART_SECONDS) -> np.ndarray:
    """The whole system on a recording, ``(T,) at 22.05 kHz -> (2T,) at 44.1 kHz``, in parts, all of it on the model's device."""
    upsample, low = _kaiser_fast(model), np.asarray(x_low, dtype=np.float32)[None]
    return _in_parts(model, lambda first, last: upsample(low[:, first // 2 : last // 2]), 2 * len(x_low), part_seconds)


def _in_parts(model: Deployed | Captured, piece: Callable[[int, int], torch.Tensor], total: int, part_seconds: float) -> np.ndarray:
    """The network over a signal of `total` samples, of which piece(first, last) gives ``(1, 1, last - first)`` on the device."""
    out = np.empty(total, dtype=np.float32)
    for begin, end, first, last in parts(total, _part_length(part_seconds)):
        out[begin:end] = model(piece(first, last), first, total)[0, 0, begin - first : end - first].cpu().numpy()
    return out


def _kaiser_fast(model: Deployed | Captured) -> Callable[[np.ndarray], torch.Tensor]:
    """Interpolation on the model's device, ``(B, T) -> (B, 1, 2T)``: the filter of `resampling.interpolate` as one convolution."""
    filter_ = inference.Polyphase(resampling.shipped_filter("kaiser_fast")).to(model.device)
    return lambda low: filter_(torch.from_numpy(np.ascontiguousarray(low))[:, None].to(model.device))


def _part_length(seconds: float) -> int:
    length = round(seconds * SR_HIGH / HALVINGS) * HALVINGS
    if length <= 0:
        raise ValueError(f"a part of {seconds} s is none: give at least {HALVINGS / SR_HIGH:.3f} s")
    return length


def too_large(error: RuntimeError) -> bool:
    """Whether an error says that memory did not suffice; cuDNN says that it found no way to compute a convolution."""
    return isinstance(error, torch.OutOfMemoryError) or any(s in str(error) for s in ("out of memory", "unable to find an engine"))


def captured(model: Deployed, part_seconds: float) -> Captured:
    """The network on a CUDA GPU as one CUDA graph for the parts of that length, margins included, of a signal of one channel."""
    return Captured(model, (1, 1, _part_length(part_seconds) + 2 * MARGIN))


def fastest(model: UNet, half: bool = False) -> tuple[Deployed | Captured, float]:
    """The network and the length of a part, in seconds, that are fastest on this machine, by trying.

    Parameters
    ----------
    model : in evaluation mode, on the device it is to run on. half : whether bfloat16 may be taken, too, where it is faster.

    Raises
    ------
    RuntimeError : not even the shortest part fits into the memory of the GPU; longer ones that do not are left out.
    """
    device = next(model.parameters()).device.type
    tried = TRIED_SECONDS[device]
    x = (0.1 * np.random.default_rng(0).standard_normal(3 * _part_length(max(tried)))).astype(np.float32)
    best, least = None, float("inf")
    for dtype in (torch.float32, torch.bfloat16) if half else (torch.float32,):
        for seconds in tried:
            try:
                candidate = Deployed(model, dtype) if device == "cpu" else captured(Deployed(model, dtype), seconds)
                enhance_long(candidate, x[: 3 * _part_length(seconds)], seconds)  # warm: a first, a middle and a last part
                took = min(_seconds(lambda: enhance_long(candidate, x, seconds)) for _ in range(2))  # noqa: B023
            except RuntimeError as error:
                if best is None or not too_large(error):
                    raise
                candidate = None
                continue
            if took < least:
                best, least = (candidate, seconds), took
    return best


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


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


def super_resolve_file(
    model: Deployed | Captured, source: Path, target: Path, part_seconds: float = PART_SECONDS, progress=lambda n: None
) -> float:
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
        files.aside(target) as path,
        sf.SoundFile(source) as reader,
        sf.SoundFile(path, "w", SR_HIGH, reader.channels, "PCM_24", format="RF64" if format_ == "WAV" else format_) as writer,
        torch.inference_mode(),
    ):
        for begin, end, first, last in parts(total, _part_length(part_seconds)):
            reader.seek(first // 2)
            low = reader.read((last - first) // 2, dtype="float32", always_2d=True).T
            # one channel after the other, the shape of `captured`; the filter's ends lie in the margin, too
            made = torch.cat([model(upsample(channel[None]), first, total) for channel in low])
            writer.write(np.clip(made[:, 0, begin - first : end - first].cpu().numpy().T, -1, 1))
            progress(end - begin)
    return total / SR_HIGH


def main(arguments: list[str]) -> int:
    """Enhance a file with the network of the last run."""
    from tqdm import tqdm

    parser = argparse.ArgumentParser(prog="python -m audiosr_lib.streaming", description="Bring a recording at 22.05 kHz to 44.1 kHz.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path, help=".wav or .flac")
    parser.add_argument("--profile", default="quick", help="whose network (default: quick)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--half", action="store_true", help="allow bfloat16, much faster on some processors; its rounding fills near-silent bins"
    )
    options = parser.parse_args(arguments)
    try:
        model = inference.load_model(paths.build(options.profile) / "training" / "best.pt", engine.device_for(options.device))
        if frames_at_22050(options.source) / SR_LOW > TRIALS_FROM_SECONDS:
            deployed, part = fastest(model, options.half)
        else:
            deployed, part = Deployed(model, torch.bfloat16 if options.half else torch.float32), PART_SECONDS
        with tqdm(unit="s", unit_scale=1 / SR_HIGH, desc=options.source.name, leave=False) as bar:
            seconds = super_resolve_file(deployed, options.source, options.target, part, bar.update)
    except (InputError, NotPrepared, engine.NoGPU) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.target}: {seconds:.1f} s at {SR_HIGH} Hz")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
