"""The trained network as it is used: batch norm folded, channels last in memory, in half precision if wanted, and on parts of a recording.

With the channels of a moment side by side in memory a convolution is one matrix product after another, and nothing has to be
rearranged between layers. PyTorch has that layout for pictures, so a signal is a picture of height 1. The numbers are the U-Net's to
rounding.

A part of a recording is computed as it would be within the whole. One thing in the network looks at the whole: linear upsampling with
aligned corners takes its positions from the total length, so that they drift by half a sample from the beginning of a recording to its
end. Here each part is given the positions that the whole would give it, in double precision. (PyTorch computes them in single
precision, which cannot number the samples of an hour.)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from audiosr_lib.inference.systems import fuse_batch_norm
from audiosr_lib.unet import CHANNELS, UNet

HALVINGS = 2 ** (len(CHANNELS) - 1)  # parts start at its multiples, so that every level of the network has a sample there


def _conv(layer: nn.Conv1d) -> nn.Conv2d:
    """The same convolution for pictures of height 1."""
    wide = nn.Conv2d(
        layer.in_channels, layer.out_channels, (1, layer.kernel_size[0]), stride=(1, layer.stride[0]), padding=(0, layer.padding[0]),
        dtype=layer.weight.dtype,
    )  # fmt: skip
    wide.load_state_dict({"weight": layer.weight.detach()[:, :, None], "bias": layer.bias.detach()})
    return wide


def _block(block: nn.Sequential) -> nn.Sequential:
    """A fused `ConvBlock` for pictures of height 1."""
    return nn.Sequential(
        *(_conv(layer) if isinstance(layer, nn.Conv1d) else layer for layer in block if not isinstance(layer, nn.Identity))
    )


def upsample_part(x: Tensor, offset: int, length: int, fine_offset: int, fine_length: int, wanted: int) -> Tensor:
    """Return what `UpBlock` makes of a signal by linear upsampling, at some places, from a part of it, ``(B, wanted, C)``.

    Parameters
    ----------
    x : (B, l, C), samples offset .. offset + l of a signal of `length` samples.
    offset, length : where the part begins, and the length of the whole.
    fine_offset : first place of the upsampled signal that is wanted.
    fine_length : length of the upsampled signal, 2 * length or one less.
    wanted : number of places. Places that `x` does not reach take its nearest sample.
    """
    places = torch.arange(wanted, dtype=torch.float64, device=x.device) + (fine_offset + 2 * length - fine_length)
    at = places * ((length - 1) / (2 * length - 1)) - offset
    at = at.clamp(0, x.shape[1] - 1)
    before = at.floor().long()
    after = (before + 1).clamp(max=x.shape[1] - 1)
    weight = (at - before).to(x.dtype)[:, None]
    return torch.lerp(x.index_select(1, before), x.index_select(1, after), weight)


class Deployed(nn.Module):
    """A trained U-Net made fast: ``(B, 1, T) -> (B, 1, T)`` float32, for any T >= 1.

    Parameters
    ----------
    model : in evaluation mode. dtype : of the network's numbers; its input is added back in float32. bfloat16 halves the memory and is
    several times as fast where the processor has instructions for it; its rounding fills bins that are nearly silent, which LSD sees.

    Raises
    ------
    ValueError : the model is in training mode.
    """

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
        """Where its weights are."""
        return self.final.weight.device

    def forward(self, x: Tensor, offset: int = 0, total: int = 0) -> Tensor:
        """The network on a signal, or on a part of one as it would compute it within the whole.

        Parameters
        ----------
        x : (B, 1, T), samples offset .. offset + T of a signal of `total` samples; by default it is the whole. A part is right
        but for `chunks.CONTEXT` samples at ends that are cuts.

        Raises
        ------
        ValueError : offset is no multiple of `HALVINGS`, or neither is T and the part does not end with the signal.
        """
        total = total or x.shape[-1]
        if offset % HALVINGS or (x.shape[-1] % HALVINGS and offset + x.shape[-1] != total):
            raise ValueError(f"a part must begin and end at multiples of {HALVINGS} samples, or with the signal")
        h = self.inp(x[:, :, None].to(self.dtype).contiguous(memory_format=torch.channels_last))  # (B, 16, 1, T)
        levels = [h]
        for block in self.down:
            h = block(h)
            levels.append(h)
        levels.pop()
        for block in self.up:
            fine, scale = levels.pop(), 2 ** len(levels)  # `fine` has a sample for each `scale` of the signal
            moments = h[:, :, 0].transpose(1, 2)  # (B, T', C), as it lies in memory
            length, fine_length = -(-total // (2 * scale)), -(-total // scale)
            moments = upsample_part(moments, offset // (2 * scale), length, offset // scale, fine_length, fine.shape[-1])
            h = block(torch.cat([fine, moments.transpose(1, 2)[:, :, None]], dim=1))
        return x + self.final(h)[:, :, 0].to(x.dtype)
