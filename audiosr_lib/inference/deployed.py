"""The trained networks in a form for whole signals and for parts of a recording, with the output of the networks to rounding.

The U-Net is made faster. Batch norm is folded into its convolutions, and channels come last in memory: a convolution is then one matrix
product after another, without rearrangement between layers. PyTorch has that layout only for images, so a signal is an image of height 1.

A part of a recording gets the same output as it has in the whole. Only one operation depends on the whole: linear upsampling with
aligned corners computes its positions from the total length, so they drift by half a sample over the recording. Here each part gets
the positions that it has in the whole, in double precision. (PyTorch uses single precision, too coarse for an hour of samples.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiosr_lib.inference.systems import fuse_batch_norm
from audiosr_lib.light import HOP, N_FFT, LightNet
from audiosr_lib.unet import CHANNELS, UNet

HALVINGS = 2 ** (len(CHANNELS) - 1)  # parts start at its multiples, so that every level of the network has a sample there


def _conv(layer: nn.Conv1d) -> nn.Conv2d:
    """Return the same convolution for images of height 1."""
    wide = nn.Conv2d(
        layer.in_channels, layer.out_channels, (1, *layer.kernel_size), (1, *layer.stride), (0, *layer.padding), dtype=layer.weight.dtype
    )
    wide.load_state_dict({"weight": layer.weight.detach()[:, :, None], "bias": layer.bias.detach()})
    return wide


def _block(block: nn.Sequential) -> nn.Sequential:
    """Return a fused `ConvBlock` for images of height 1."""
    layers = (layer for layer in block if not isinstance(layer, nn.Identity))
    return nn.Sequential(*(_conv(layer) if isinstance(layer, nn.Conv1d) else layer for layer in layers))


def upsample_part(x: Tensor, offset: int, length: int, fine_offset: int, fine_length: int, wanted: int) -> Tensor:
    """Return some samples of a linearly upsampled signal, as in `UpBlock`, from a part of the signal, ``(B, l, C) -> (B, wanted, C)``.

    Parameters
    ----------
    x : samples offset .. offset + l of the signal. Positions outside take its nearest sample.
    offset : first sample of the part.
    length : length of the whole signal.
    fine_offset : first sample wanted of the upsampled signal.
    fine_length : length of the upsampled signal, 2 * length or one less.
    wanted : number of samples wanted.
    """
    places = torch.arange(wanted, dtype=torch.float64, device=x.device) + (fine_offset + 2 * length - fine_length)
    at = (places * ((length - 1) / (2 * length - 1)) - offset).clamp(0, x.shape[1] - 1)
    before = at.floor().long()
    after = (before + 1).clamp(max=x.shape[1] - 1)
    weight = (at - before).to(x.dtype)[:, None]
    return torch.lerp(x.index_select(1, before), x.index_select(1, after), weight)


class Deployed(nn.Module):
    """A trained U-Net in a faster form: ``(B, 1, T) -> (B, 1, T)`` float32, for any T >= 1.

    Attributes
    ----------
    grid : samples; parts begin at multiples of it.
    context : samples around a part that its output depends on, a multiple of the grid.
    interpolation : method that makes the input of a recording.

    Parameters
    ----------
    model : network in evaluation mode; ValueError in training mode.
    dtype : type of the weights; the input is added to the output in float32. bfloat16 halves the memory and is several times as
        fast on processors with instructions for it. Its rounding adds noise to near-silent bins, which LSD measures.
    """

    grid = HALVINGS
    context = 16 * HALVINGS  # the network reaches fewer than 1200 samples to either side, as a test measures
    interpolation = UNet.interpolation

    def __init__(self, model: UNet, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        model = fuse_batch_norm(model)
        self.inp, self.final = _block(model.inp), _conv(model.final)
        self.down = nn.ModuleList(map(_block, model.down))
        self.up = nn.ModuleList(_block(block.conv) for block in model.up)
        self.to(next(model.parameters()).device, dtype).to(memory_format=torch.channels_last)
        self.dtype = dtype
        self.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.final.weight.device

    def forward(self, x: Tensor, offset: int = 0, total: int = 0) -> Tensor:
        """Return the output for a signal or a part of it. A part gives the output of the whole, except `context` samples at a cut.

        Parameters
        ----------
        x : (B, 1, T), samples offset .. offset + T of the signal.
        offset : first sample. Offset and T are multiples of `HALVINGS`, or the part ends with the signal; ValueError otherwise.
        total : length of the signal; 0 if x is the whole.
        """
        total, end = total or x.shape[-1], offset + x.shape[-1]
        if offset % HALVINGS or (end % HALVINGS and end != total):
            raise ValueError(f"part {offset} .. {end} of {total}: begin and end at multiples of {HALVINGS} samples, or end with the signal")
        levels = [self.inp(x[:, :, None].to(self.dtype).contiguous(memory_format=torch.channels_last))]  # (B, 16, 1, T)
        for block in self.down:
            levels.append(block(levels[-1]))
        h = levels.pop()
        for block in self.up:
            fine, scale = levels.pop(), 2 ** len(levels)  # one sample of `fine` spans `scale` samples of the signal
            coarse = h[:, :, 0].transpose(1, 2)  # (B, T', C), as it lies in memory
            length, fine_length = -(-total // (2 * scale)), -(-total // scale)
            coarse = upsample_part(coarse, offset // (2 * scale), length, offset // scale, fine_length, fine.shape[-1])
            h = block(torch.cat([fine, coarse.transpose(1, 2)[:, :, None]], dim=1))
        return x + self.final(h)[:, :, 0].to(x.dtype)


class DeployedLight(nn.Module):
    """A trained light network, for whole signals and for parts: ``(B, 1, T) -> (B, 1, T)`` float32. Attributes as of `Deployed`."""

    interpolation = LightNet.interpolation

    def __init__(self, model: LightNet) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.grid = HOP * model.frames
        reach = self.grid * (1 + 3 * len(model.blocks)) + 2 * N_FFT
        self.context = -(-reach // self.grid) * self.grid

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.model.window.device

    def forward(self, x: Tensor, offset: int = 0, total: int = 0) -> Tensor:
        """Return the output for a signal or a part of it, as `Deployed`."""
        if offset % self.grid:
            raise ValueError(f"a part begins at sample {offset}: begin at a multiple of {self.grid}")
        return self.model(x)


def deploy(model: UNet | LightNet, dtype: torch.dtype = torch.float32) -> Deployed | DeployedLight:
    """Return a trained network in its form for recordings. The type applies to the U-Net, see `Deployed`."""
    return DeployedLight(model) if isinstance(model, LightNet) else Deployed(model, dtype)
