"""Using a trained U-Net: load it, bring a low-rate recording to 44.1 kHz, and reduce its cost. Notebooks 10 and 11."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from audiosr_lib import resampling
from audiosr_lib.base import checkpoints, files, paths
from audiosr_lib.base.checkpoints import CheckpointError
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.resampling import SincFilter
from audiosr_lib.unet import ConvBlock, UNet


def load_model(checkpoint: Path, device: str = "cpu") -> UNet:
    """Return the network of a checkpoint, or of a file that `export_weights` wrote, in evaluation mode.

    Raises
    ------
    NotPrepared : the file does not exist.
    CheckpointError : it is damaged, or holds something else.
    """
    if not checkpoint.exists():
        raise NotPrepared(
            f"There is no trained network at {paths.shown(checkpoint)}: first run notebook 08_unet_training with the same parameters."
        )
    model = UNet()
    try:
        checkpoints.load_weights(model, _weights(checkpoint), checkpoint)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}. Repeat the run that trained this network: it replaces a damaged checkpoint, or says how to start again."
        ) from error
    return model.to(device).eval()


def _weights(file: Path) -> dict[str, Tensor]:
    """Return the weights in a checkpoint or a .safetensors file."""
    return checkpoints.read_weights(file) if file.suffix == ".safetensors" else checkpoints.read(file)["model"]


def export_weights(checkpoint: Path, target: Path) -> None:
    """Write a checkpoint's weights as a .safetensors file, the convolutions in half precision.

    A .json file of the same name holds the config with the corpus' hash, the seed, the commit, and the best step with its loss.
    """
    saved = checkpoints.read(checkpoint)
    checkpoints.write_weights(target, saved["model"])
    about = {k: saved[k] for k in ("config", "seed", "commit")} | {"validation": {k: saved["state"][k] for k in ("best_step", "best_loss")}}
    files.write_json(target.with_suffix(".json"), about)


@torch.inference_mode()
def enhance(model: UNet, x: np.ndarray) -> np.ndarray:
    """Return the network's output for one interpolated signal, ``(T,) -> (T,)`` float32, computed on the device of its weights."""
    device = next(model.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None, None].to(device)
    return model(batch)[0, 0].cpu().numpy()


def super_resolve(model: UNet, x_low: np.ndarray) -> np.ndarray:
    """Return a recording at 44.1 kHz, ``(T,) at 22.05 kHz -> (2T,)``: kaiser_fast, then the network."""
    return enhance(model, resampling.interpolate(np.asarray(x_low, dtype=np.float32)))


def all_systems(model: UNet, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the low-rate version of a target, ``(T,) at 44.1 kHz -> (T/2,)`` for even T, and each system's estimate from it, ``(T,)``."""
    low = resampling.degrade(np.asarray(y, dtype=np.float32))
    fast = resampling.interpolate(low, "kaiser_fast")
    return {"low": low, "kaiser_fast": fast, "kaiser_best": resampling.interpolate(low, "kaiser_best"), "unet": enhance(model, fast)}


def fuse_batch_norm(model: UNet) -> UNet:
    """Return a copy of a network in evaluation mode whose batch norms are merged into the convolutions before them.

    The output is the same to rounding, with fewer operations and parameters. The copy cannot be trained. Raise ValueError in training
    mode, where batch norm is not a fixed scale and shift. Source: coursework section 1.12; notebook 05 derives it.
    """
    if model.training:
        raise ValueError("batch norm can be folded only in evaluation mode: call model.eval() first")
    model = copy.deepcopy(model)
    for block in (m for m in model.modules() if isinstance(m, ConvBlock)):
        for i, (layer, norm) in enumerate(zip(list(block), list(block)[1:], strict=False)):
            if isinstance(norm, nn.BatchNorm1d):
                block[i] = nn.utils.fuse_conv_bn_eval(layer, norm)
                block[i + 1] = nn.Identity()
    return model


def multiply_accumulates(model: nn.Module, samples: int) -> int:
    """Return the number of multiplications in all convolutions of a network on ``(1, 1, samples)``, counted by PyTorch."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, samples, device=next(model.parameters()).device))
    return counter.get_total_flops() // 2  # a multiplication and an addition are two operations


class Polyphase(nn.Module):
    """Upsampling by two with a given filter as one convolution: ``(B, 1, T) -> (B, 1, 2T)``, with zeros beyond both ends.

    The two output channels are the even and the odd samples of the result. Oracle: resampling.upsample_by_two. Notebook 11.
    """

    def __init__(self, filt: SincFilter) -> None:
        super().__init__()
        even, odd = resampling.polyphase_branches(filt)  # 2Z - 1 and 2Z - 2 taps; both are symmetric
        taps = torch.from_numpy(np.stack([even, np.concatenate([[0.0], odd])])).float()
        self.register_buffer("taps", taps[:, None], persistent=False)  # (2, 1, 2Z - 1)

    def forward(self, x: Tensor) -> Tensor:
        phases = nn.functional.conv1d(x, self.taps, padding=self.taps.shape[-1] // 2)  # (B, 2, T)
        return phases.transpose(1, 2).reshape(x.shape[0], 1, -1)
