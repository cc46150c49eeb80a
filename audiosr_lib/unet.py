"""The coursework's 1-D U-Net (section 2.4 and Appendix A).

The network is an *enhancer*: it takes speech that has already been interpolated to
the target rate, and adds what the interpolation could not know. Seven times a block of
two convolutions halves the time axis and (all but the last time) doubles the channels;
seven times a block upsamples linearly, joins the matching encoder output and convolves.
A last 1x1 convolution makes one channel, and the input is added back: what the network learns is the
difference to the Kaiser interpolation.

Two remarks on the source. The printed program's block ends, at a page break, with a batch norm, and
the text describes only the first ReLU; a second one, as in the U-Net it follows (Ronneberger et al.,
2015), is assumed: it has no parameters, so their number cannot tell. One class is spelt in two ways; that is mended.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = (16, 32, 64, 128, 256, 512, 1024, 1024)  # encoder outputs, top to bottom


class ConvBlock(nn.Sequential):
    """Two times (convolution of width 3, batch norm, ReLU); the second may stride.

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
    """Linear upsampling by two, joined with the encoder's output, then a `ConvBlock`.

    Shape: ``(B, C, T), (B, S, T') -> (B, out_channels, T')`` with ``C + S = in_channels``
    and T' = 2T or 2T - 1: an odd length was halved upwards, so one sample is cropped, the first, as in Appendix A.
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
    """Enhance interpolated audio: ``(B, 1, T) -> (B, 1, T)`` for any T >= 1.

    Input and output are waveforms at the target rate, nominally in [-1, 1].
    17,850,593 parameters. Source: coursework section 2.4, Appendix A. Notebook 08.
    """

    def __init__(self) -> None:
        super().__init__()
        self.inp = ConvBlock(1, CHANNELS[0])
        self.down = nn.ModuleList(ConvBlock(c_in, c_out, stride=2) for c_in, c_out in itertools.pairwise(CHANNELS))
        ups, below = [], CHANNELS[-1]
        for skip in reversed(CHANNELS[:-1]):
            out = max(skip // 2, CHANNELS[0])  # 512, 256, ..., 16, 16
            ups.append(UpBlock(below + skip, out))
            below = out
        self.up = nn.ModuleList(ups)
        self.final = nn.Conv1d(CHANNELS[0], 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] != 1:
            raise ValueError(f"UNet wants (batch, 1, samples), got {tuple(x.shape)}")
        h = self.inp(x)  # (B, 16, T)
        skips = [h]
        for block in self.down:
            h = block(h)  # (B, C, ceil(T / 2^level))
            skips.append(h)
        skips.pop()  # the bottom is not its own skip
        for block in self.up:
            h = block(h, skips.pop())
        return x + self.final(h)  # (B, 1, T)


def count_parameters(model: nn.Module) -> int:
    """Number of trainable scalars in `model`."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
