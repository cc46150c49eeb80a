"""Multi-resolution STFT loss (coursework section 1.14, Table 1) and the training objective.

The loss at one resolution compares the magnitudes of two short-time spectra in two ways:

    spectral convergence   || |Y| - |Y^| ||_F / || |Y| ||_F        dominated by the loud bins
    log magnitude          mean | log|Y| - log|Y^| |               every bin has the same weight

The means over three resolutions are used, because a signal can have a low loss at one and a high loss at another. The logarithm is the
natural one. Source: Yamamoto, Song and Kim (2020), "Parallel WaveGAN". Notebooks 06 and 08.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from audiosr_lib.base.constants import LOSS_CLAMP, SR_HIGH


@dataclass(frozen=True)
class Resolution:
    """Lengths of the transform, the window and the hop in samples: one row of Table 1."""

    n_fft: int
    win_length: int
    hop_length: int


TABLE_1 = (Resolution(512, 240, 50), Resolution(1024, 600, 120), Resolution(2048, 1200, 240))


def stft_magnitude(x: Tensor, n_fft: int, hop_length: int, window: Tensor) -> Tensor:
    """Return the magnitude spectrogram ``(B, T) -> (B, n_fft // 2 + 1, 1 + T // hop_length)``. Raises ValueError if T <= n_fft // 2.

    The power is clamped at `LOSS_CLAMP`, so that the logarithm and the square root stay differentiable.
    """
    if x.shape[-1] <= n_fft // 2:
        raise ValueError(f"{x.shape[-1]} samples are too few for n_fft = {n_fft}: give more than {n_fft // 2}")
    spectrum = torch.stft(x, n_fft, hop_length, len(window), window, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return power.clamp(min=LOSS_CLAMP).sqrt()


class STFTLoss(nn.Module):
    """Spectral convergence, with norms over the whole batch, and log-magnitude distance at one resolution.

    With `edge_hz`, ``(B,)``, bins above the edge of each target count as equal: nothing is learned from a band that a codec has cut.
    Shape: ``(B, T), (B, T) -> (), ()``.
    """

    def __init__(self, resolution: Resolution) -> None:
        super().__init__()
        self.resolution = resolution
        self.register_buffer("window", torch.hann_window(resolution.win_length), persistent=False)

    def forward(self, y_hat: Tensor, y: Tensor, edge_hz: Tensor | None = None) -> tuple[Tensor, Tensor]:
        r = self.resolution
        mag_hat = stft_magnitude(y_hat, r.n_fft, r.hop_length, self.window)
        mag = stft_magnitude(y, r.n_fft, r.hop_length, self.window)
        if edge_hz is not None:
            bins_hz = torch.arange(r.n_fft // 2 + 1, device=y.device) * (SR_HIGH / r.n_fft)
            mag_hat = torch.where(bins_hz[:, None] <= edge_hz[:, None, None], mag_hat, mag)  # (B, K, M)
        convergence = torch.linalg.vector_norm(mag - mag_hat) / torch.linalg.vector_norm(mag)
        log_magnitude = (mag.log() - mag_hat.log()).abs().mean()
        return convergence, log_magnitude


class MultiResolutionSTFTLoss(nn.Module):
    """Means of the two terms of `STFTLoss` over resolutions. Shape: ``(B, T), (B, T)[, (B,)] -> (), ()``."""

    def __init__(self, resolutions: tuple[Resolution, ...] = TABLE_1) -> None:
        super().__init__()
        self.losses = nn.ModuleList(STFTLoss(r) for r in resolutions)

    def forward(self, y_hat: Tensor, y: Tensor, edge_hz: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if y_hat.shape != y.shape or y.ndim != 2:
            raise ValueError(f"expected two (batch, samples) tensors of one shape, got {tuple(y_hat.shape)} and {tuple(y.shape)}")
        convergences, magnitudes = zip(*(loss(y_hat, y, edge_hz) for loss in self.losses), strict=True)
        return torch.stack(convergences).mean(), torch.stack(magnitudes).mean()


@dataclass(frozen=True)
class Terms:
    """A loss, a scalar tensor. A subclass adds what it consists of."""

    loss: Tensor

    def as_dict(self) -> dict[str, Tensor]:
        """Return the terms by name, in the order of their declaration."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class LossTerms(Terms):
    """The loss and its three terms, each a scalar tensor: the curves of Figures 2.3 and 2.4."""

    mse_loss: Tensor
    spectral_convergence: Tensor
    log_magnitude: Tensor


LOSS_NAMES = tuple(field.name for field in fields(LossTerms))


class Objective(nn.Module):
    """The training loss of section 2.5, ``mse_weight * MSE + spectral convergence + log magnitude``.

    Shape: ``(B, 1, T), (B, 1, T)[, (B,)] -> LossTerms``. The term `mse_loss` is not multiplied by its weight. The optional edges in Hz
    restrict the other two terms to the band below them; they are not part of the coursework.
    """

    names = LOSS_NAMES

    def __init__(self, mse_weight: float = 100.0) -> None:
        super().__init__()
        self.mse_weight = mse_weight
        self.stft_loss = MultiResolutionSTFTLoss()

    def forward(self, y_hat: Tensor, y: Tensor, edge_hz: Tensor | None = None) -> LossTerms:
        mse = (y_hat - y).square().mean()
        convergence, magnitude = self.stft_loss(y_hat.squeeze(1), y.squeeze(1), edge_hz)
        total = self.mse_weight * mse + convergence + magnitude
        return LossTerms(total, mse, convergence, magnitude)
