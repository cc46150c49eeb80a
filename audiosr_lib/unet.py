"""The coursework's 1-D U-Net (section 2.4 and Appendix A).

The input is speech that has been interpolated to the target rate; the network learns the difference between it and the target.
Seven encoder blocks of two convolutions halve the time axis and, except for the last, double the channels. Seven decoder
blocks upsample linearly, concatenate the encoder output of the same length and apply two convolutions. A convolution of width 1 makes
one channel, to which the input is added.

In the printed program a block ends, at a page break, with a batch norm, and the text describes only the first ReLU. This module assumes
a second ReLU, as in the U-Net that the coursework follows (Ronneberger et al., 2015); a ReLU has no parameters, so the printed number
of parameters fits both readings. The printed program also spells the name of one class in two ways.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (16, 32, 64, 128, 256, 512, 1024, 1024)  # of the encoder outputs, top to bottom


class ConvBlock(nn.Sequential):
    """A convolution of width 3, batch norm and ReLU, twice; the stride applies to the second convolution.

    Shape: ``(B, in_channels, T) -> (B, out_channels, ceil(T / stride))``.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv1d(in_channels, out_channels, kernel_size=3, padding=1),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv1d(out_channels, out_channels, kernel_size=3, padding=1, stride=stride),
            nn.BatchNorm1d(out_channels),
            nn.ReLU(inplace=True),
        )


class UpBlock(nn.Module):
    """Linear upsampling by two, concatenation with the encoder output, then a `ConvBlock`.

    Shape: ``(B, C, T), (B, S, T') -> (B, out_channels, T')`` with ``C + S = in_channels`` and T' = 2T or 2T - 1. The encoder halves an odd
    length upwards, so for T' = 2T - 1 the first sample is cropped, as in Appendix A.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="linear", align_corners=True)
        self.conv = ConvBlock(in_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)  # (B, C, 2T)
        missing = skip.shape[-1] - x.shape[-1]  # 0 or -1
        x = F.pad(x, [missing // 2, missing - missing // 2])  # a negative pad crops
        return self.conv(torch.cat([skip, x], dim=1))


class UNet(nn.Module):
    """The U-Net that adds the missing band to interpolated waveforms at the target rate. It has 17,850,593 parameters.

    Shape: ``(B, 1, T) -> (B, 1, T)`` for any T >= 1. Source: coursework section 2.4, Appendix A. Notebook 08.

    Parameters
    ----------
    channels : of the encoder outputs, top to bottom; another number of levels or another width makes another network.
    """

    interpolation = "kaiser_fast"  # method that makes its input

    def __init__(self, channels: tuple[int, ...] = CHANNELS) -> None:
        super().__init__()
        self.inp = ConvBlock(1, channels[0])
        self.down = nn.ModuleList(ConvBlock(c_in, c_out, stride=2) for c_in, c_out in itertools.pairwise(channels))
        ups, below = [], channels[-1]
        for skip in reversed(channels[:-1]):
            out = max(skip // 2, channels[0])  # 512, 256, ..., 16, 16
            ups.append(UpBlock(below + skip, out))
            below = out
        self.up = nn.ModuleList(ups)
        self.final = nn.Conv1d(channels[0], 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] != 1:
            raise ValueError(f"expected an input of shape (batch, 1, samples), got {tuple(x.shape)}")
        h = self.inp(x)  # (B, 16, T)
        skips = []
        for block in self.down:
            skips.append(h)
            h = block(h)  # (B, C, ceil(T / 2^level))
        for block in self.up:
            h = block(h, skips.pop())
        return x + self.final(h)  # (B, 1, T)


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
