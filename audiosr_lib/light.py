"""A light network for the missing band: it predicts an envelope and borrows the texture from the known band.

Nobody hears which noise sounds above 11 kHz, only how loud it is, where and when. So a small network reads the short-time spectrum of an
interpolated recording and predicts, frame by frame, the power of 36 bands from 9.0 to 21.4 kHz. The fine structure inside these bands is
copied from the known band, as in spectral band replication (Dietz et al., 2002), and scaled to the predicted power. Below 9 kHz nothing
changes. Above 21.4 kHz nothing is added: targets that were recorded at 48 kHz are empty there, so there is nothing to learn from.

Spectra are complex, ``(B, M, K)``: M frames of K = 513 bins. Powers are those of a periodic Hann window of 1024 samples at 44.1 kHz.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiosr_lib.base.constants import SR_HIGH
from audiosr_lib.losses import Terms

N_FFT, HOP = 1024, 256
BINS = N_FFT // 2 + 1
OVERLAP = N_FFT // HOP  # frames that cover a sample
BAND = 8  # bins of a band
FIRST = 208  # first bin that may change, 8.96 kHz
BANDS = 36
END = FIRST + BANDS * BAND  # 496, 21.36 kHz
KNOWN = 256  # bins that the network sees, up to 11.025 kHz, where the recording ends
SHIFT = 104  # bins by which the known band is shifted up: a multiple of OVERLAP, so a shifted tone stays a tone
FADE = 264  # bins below it may hold a faded part of the recording
SMALLEST = 1e-8  # powers below it count as it
FLAT_BINS = 17  # width of the average that levels the copied band
FADED_BINS = 5  # and of the one that measures what the filters have left; narrow, for they fall steeply
EQUALISER_DB = 30.0  # largest gain of what the interpolation filters have faded
COMPLETE_HZ = 19000.0  # a target that reaches this frequency is complete: no coder has cut it, and hardly anybody hears what is above
QUANTILE = 0.55  # that is learned of a level; the median is too soft in the loudest frames, which decide the mean power


def stft(x: Tensor, window: Tensor) -> Tensor:
    """Return the spectrum ``(B, T) -> (B, M, 513)`` whose frames cover each sample four times. Oracle: torch.stft."""
    x = F.pad(x, (N_FFT - HOP, N_FFT - HOP + (-x.shape[-1]) % HOP))
    return torch.fft.rfft(x.unfold(-1, N_FFT, HOP) * window)


def istft(spectrum: Tensor, window: Tensor, length: int) -> Tensor:
    """Return the signal ``(B, M, 513) -> (B, length)`` by weighted overlap-add: the squares of four Hann windows add up to 1.5."""
    frames = torch.fft.irfft(spectrum, n=N_FFT) * (window / 1.5)
    hops = frames.unflatten(-1, (OVERLAP, HOP))  # (B, M, 4, 256)
    x = frames.new_zeros(len(frames), frames.shape[1] + OVERLAP - 1, HOP)
    for i in range(OVERLAP):
        x[:, i : i + frames.shape[1]] += hops[:, :, i]
    return x.flatten(1)[:, N_FFT - HOP : N_FFT - HOP + length]


def power_of(spectrum: Tensor) -> Tensor:
    """Return the squared magnitude of each bin."""
    return spectrum.real.square() + spectrum.imag.square()


def band_levels(power: Tensor) -> Tensor:
    """Return log10 of the mean power in each band, ``(B, M, 513) -> (B, M, 36)``; at least -8."""
    return power[..., FIRST:END].unflatten(-1, (BANDS, BAND)).mean(-1).clamp_min(SMALLEST).log10()


def to_bins(bands: Tensor) -> Tensor:
    """Return values at the bins of the bands by straight lines between the centres of the bands, ``(B, M, 36) -> (B, M, 288)``."""
    return F.interpolate(bands, scale_factor=BAND, mode="linear")


def local_mean(power: Tensor, width: int) -> Tensor:
    """Return the moving average over an odd number of bins; at the ends, over those there are."""
    return F.avg_pool1d(power.flatten(0, 1), width, 1, width // 2, count_include_pad=False).view_as(power)


def texture(spectrum: Tensor) -> Tensor:
    """Return the fine structure for the bins of the bands, ``(B, M, 513) -> (B, M, 288)`` complex, of mean power 1.

    The bins below `FIRST` are divided by the square root of their magnitude, which evens them out, then levelled, then shifted up by
    one, two and three times `SHIFT`.
    """
    known = spectrum[..., FIRST - SHIFT : FIRST]
    power = power_of(known)
    flat = known * (power + 1e-14).pow(-0.25)
    flat = flat * (local_mean(power_of(flat), FLAT_BINS) + 1e-12).rsqrt()
    return flat.repeat(1, 1, 3)[..., : END - FIRST]


def fill(spectrum: Tensor, levels: Tensor, fine: Tensor | None = None) -> Tensor:
    """Return a spectrum whose bands have the given levels, ``(B, M, 513), (B, M, 36) -> (B, M, 513)``.

    What the interpolation filters have faded is amplified by at most `EQUALISER_DB`. What lacks then is taken from the fine structure
    `fine`, ``(B, M, 288)`` complex with mean power 1; by default from `texture`.
    """
    wanted = to_bins((10**levels).sqrt())  # amplitudes
    faded = spectrum[..., FIRST:FADE]
    power = local_mean(power_of(faded), FADED_BINS) + 1e-12
    gain = (wanted[..., : FADE - FIRST].square() / power).clamp(1, 10 ** (EQUALISER_DB / 10))
    lacking = (wanted[..., : FADE - FIRST].square() - power * gain).clamp_min(0)
    amplitude = torch.cat([(lacking + 1e-20).sqrt(), wanted[..., FADE - FIRST :]], -1)
    new = (texture(spectrum) if fine is None else fine) * amplitude
    return torch.cat(
        [spectrum[..., :FIRST], faded * gain.sqrt() + new[..., : FADE - FIRST], new[..., FADE - FIRST :], spectrum[..., END:]], -1
    )


class Block(nn.Module):
    """A convolution over 7 frames for each channel alone, then two layers for each frame alone, added to the input: ``(B, M, d)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time = nn.Conv2d(width, width, (1, 7), padding=(0, 3), groups=width)  # an image of height 1: faster than Conv1d
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))

    def forward(self, h: Tensor) -> Tensor:
        mixed = self.time(h.transpose(1, 2)[:, :, None])[:, :, 0].transpose(1, 2)
        return h + self.scale * self.outer(F.gelu(self.inner(self.norm(mixed))))


class LightNet(nn.Module):
    """The network with its synthesis: ``(B, 1, T) -> (B, 1, T)`` for any T >= 1, from an interpolated signal to one with the missing band.

    Parameters
    ----------
    width : channels of the blocks.
    blocks : number of blocks; each reaches three tokens further.
    frames : frames of a token; the network predicts the levels of so many frames at once.
    """

    interpolation = "soxr_vhq"  # method that makes its input; any that keeps what lies below 9 kHz will do

    def __init__(self, width: int = 128, blocks: int = 5, frames: int = 1) -> None:
        super().__init__()
        self.frames = frames
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.first = nn.Conv1d(KNOWN, width, 3 * frames, stride=frames, padding=frames)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, BANDS * frames)

    def levels(self, spectrum: Tensor) -> Tensor:
        """Return log10 of the mean power of each band, ``(B, M, 513) -> (B, M, 36)``."""
        known = power_of(spectrum[..., :KNOWN]).clamp_min(SMALLEST).log10() / 2 + 1
        m = known.shape[1]
        known = F.pad(known.transpose(1, 2), (0, -m % self.frames), mode="replicate")
        h = self.last(self.norm(self.blocks(self.first(known).transpose(1, 2))))
        return 2 * h.reshape(h.shape[0], -1, BANDS)[:, :m] - 3

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] != 1:
            raise ValueError(f"expected an input of shape (batch, 1, samples), got {tuple(x.shape)}")
        spectrum = stft(x[:, 0], self.window)
        return istft(fill(spectrum, self.levels(spectrum)), self.window, x.shape[-1])[:, None]


def network_of(weights: dict[str, Tensor]) -> LightNet | None:
    """Return a network of the size of some weights, which are not copied into it; None if they belong to another kind of network."""
    first = weights.get("first.weight")
    if first is None or first.ndim != 3 or first.shape[1] != KNOWN:
        return None
    blocks = {name.split(".")[1] for name in weights if name.startswith("blocks.")}
    return LightNet(first.shape[0], len(blocks), first.shape[2] // 3)


class Predictor(nn.Module):
    """What is trained of a light network: ``(B, 1, T) -> (B, M, 36)``, from an interpolated signal to the levels."""

    def __init__(self, network: LightNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.levels(stft(x[:, 0], self.network.window))


class EnvelopeLoss(nn.Module):
    """The error of predicted levels in bels (10 dB), absolute, and too low counts a little more than too high: a pinball loss.

    Shape: ``(B, M, 36), (B, 1, T)[, (B,)] -> Terms``. With `edge_hz`, bands above the edge of a target do not count, unless the edge is
    above `COMPLETE_HZ`.
    """

    names = ("loss",)

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)
        self.register_buffer("top_hz", (FIRST + BAND * torch.arange(1, BANDS + 1)) * SR_HIGH / N_FFT, persistent=False)

    def forward(self, levels: Tensor, y: Tensor, edge_hz: Tensor | None = None) -> Terms:
        lacking = band_levels(power_of(stft(y[:, 0], self.window))) - levels
        error = 2 * torch.maximum(QUANTILE * lacking, (QUANTILE - 1) * lacking).mean(1)  # (B, 36)
        counts = torch.ones_like(error) if edge_hz is None else (self.top_hz <= edge_hz[:, None]) | (edge_hz[:, None] >= COMPLETE_HZ)
        return Terms(loss=(error * counts).sum() / counts.sum().clamp_min(1))
