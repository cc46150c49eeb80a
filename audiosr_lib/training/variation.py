"""Random versions of the training pairs of the light network: other microphones, rooms and filters than those of the recordings.

A version of a target has another gain, a tilted spectrum, and some noise. Its input is made from it by a low-pass filter and a sample
rate of 22.05 kHz, of which what the filter lets through above 11.025 kHz comes back as an alias. All this is done to the spectrum of
the whole crop, so it is exact for a crop that repeats.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from audiosr_lib import resampling
from audiosr_lib.base.constants import FULL_SCALE, SR_HIGH, SR_LOW
from audiosr_lib.training.batches import DeviceBatches, HostBatches

GAIN_DB = (-20.0, 0.0)
TILT_DB = (-1.5, 2.5)  # per octave, from 1 kHz
NOISE_DB = (-105.0, -70.0)  # RMS re full scale, before its own tilt
NOISE_TILT_DB = (-1.5, 1.5)  # per octave, from 1 kHz
FADE_HZ = (8800.0, 10700.0)  # where a random filter begins to fade; it ends at 11.025 kHz
LOWEST_HZ = 50.0  # tilts end there


@cache
def response_of(method: str, length: int) -> Tensor:
    """Return the response of one of resampy's filters at the bins of a signal of `length` samples at 44.1 kHz, ``(length // 2 + 1,)``."""
    filt = resampling.shipped_filter(method)
    wing = filt.wing[:: filt.precision // 2][: 2 * filt.num_zeros]
    taps = np.zeros(1 << 16)
    taps[: len(wing)], taps[1 - len(wing) :] = wing, wing[:0:-1]
    fine = np.fft.rfft(taps).real / 2
    at = np.fft.rfftfreq(length) * len(taps)
    return torch.from_numpy(np.interp(at, np.arange(len(fine)), fine)).float()


@cache
def _axes(length: int) -> tuple[Tensor, Tensor]:
    """Return the frequencies of the bins of a crop in Hz, and in octaves above 1 kHz."""
    hz = torch.fft.rfftfreq(length, 1 / SR_HIGH)
    return hz, (hz.clamp_min(LOWEST_HZ) / 1000).log2()


def _amplitude(db: Tensor) -> Tensor:
    return torch.exp(db * (np.log(10) / 20))


def low_passed(spectrum: Tensor, response: Tensor, length: int) -> Tensor:
    """Return the spectrum of a crop after a filter and the sample rate of 22.05 kHz, ideally interpolated; length a multiple of 4."""
    half = length // 4  # bin of 11.025 kHz
    filtered = spectrum * response
    low = filtered[..., : half + 1].clone()
    low += filtered[..., half:].flip(-1).conj()  # the alias: f comes back at 22.05 kHz - f
    return torch.cat([low, torch.zeros_like(filtered[..., half + 1 :])], -1)


def plain_inputs(y: Tensor) -> Tensor:
    """Return the inputs of some targets, made with kaiser_fast and ideally interpolated, ``(B, 1, T) -> (B, 1, T)``; T % 4 == 0."""
    length = _checked(y.shape[-1])
    spectrum = low_passed(torch.fft.rfft(y), response_of("kaiser_fast", length).to(y.device), length)
    return torch.fft.irfft(spectrum, n=length)


def _checked(length: int) -> int:
    if length % 4:
        raise ValueError(f"a crop of {length} samples has no input: give a multiple of 4, so that its spectrum has a bin at 11.025 kHz")
    return length


def vary(y: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return inputs and targets of random versions of some targets, ``(B, T) -> (B, T), (B, T)``; T is a multiple of 4.

    Of the targets, 70 % get another gain and tilt, 50 % get noise. Of the inputs, half are made with kaiser_fast, a tenth with
    kaiser_best, the others with a filter that fades by half a cosine. Inputs are rounded to 16 bit.
    """
    count, length = y.shape[0], _checked(y.shape[1])
    hz, octave = (axis.to(y.device) for axis in _axes(length))

    def drawn(low: float, high: float) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, 1)).astype(np.float32)).to(y.device)

    def chosen(share: float) -> Tensor:
        return torch.from_numpy(rng.random((count, 1)) < share).to(y.device)

    tilted = _amplitude((drawn(*GAIN_DB) + drawn(*TILT_DB) * octave) * chosen(0.7))
    noise_level = _amplitude(drawn(*NOISE_DB) + drawn(*NOISE_TILT_DB) * octave) * chosen(0.5)
    noise = torch.from_numpy(rng.standard_normal((count, length), dtype=np.float32)).to(y.device)
    spectrum = torch.fft.rfft(y) * tilted + torch.fft.rfft(noise) * noise_level
    begin = drawn(*FADE_HZ)
    cosine = 0.5 + 0.5 * torch.cos(np.pi * ((hz - begin) / (SR_LOW / 2 - begin)).clamp(0, 1))
    kind = drawn(0, 1)
    fast, best = (response_of(name, length).to(y.device) for name in ("kaiser_fast", "kaiser_best"))
    response = torch.where(kind < 0.5, fast, torch.where(kind < 0.6, best, cosine))
    x = torch.fft.irfft(low_passed(spectrum, response, length), n=length)
    return (x * FULL_SCALE).round() / FULL_SCALE, torch.fft.irfft(spectrum, n=length)


class VariedBatches:
    """Batches whose targets are random versions of the recordings. The versions, too, depend only on seed and step."""

    def __init__(self, batches: HostBatches | DeviceBatches) -> None:
        self.batches, self.crops = batches, batches.crops

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        rng = np.random.default_rng([self.crops.seed, 4, step, self.crops.own.start])
        x, y = vary(self.batches(step)[1][:, 0], rng)
        return x[:, None], y[:, None]
