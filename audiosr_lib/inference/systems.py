"""Using a trained network: load it, bring a low-rate recording to 44.1 kHz, and reduce the U-Net's cost. Notebooks 10 and 11."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from audiosr_lib import light, resampling
from audiosr_lib.base import checkpoints, paths
from audiosr_lib.base.checkpoints import CheckpointError
from audiosr_lib.base.errors import NotPrepared
from audiosr_lib.light import LightNet
from audiosr_lib.resampling import SincFilter
from audiosr_lib.unet import ConvBlock, UNet


def load_model(checkpoint: Path, device: str = "cpu") -> UNet | LightNet:
    """Return the network of a checkpoint or of a .safetensors file, in evaluation mode.

    Raises
    ------
    NotPrepared : the file does not exist.
    CheckpointError : it is damaged, or holds something else.
    """
    if not checkpoint.exists() and checkpoint.parent != paths.weights():
        raise NotPrepared(
            f"There is no trained network at {paths.shown(checkpoint)}: first run notebook 08_unet_training with the same parameters."
        )
    try:
        weights = _weights(checkpoint)
        model = light.network_of(weights) or UNet()
        checkpoints.load_weights(model, weights, checkpoint)
    except CheckpointError as error:
        remedy = "Repeat the run that trained this network: it replaces a damaged checkpoint, or says how to start again."
        if checkpoint.parent == paths.weights():
            remedy = "To restore it: git checkout -- data/weights"
        raise CheckpointError(f"{error}. {remedy}") from error
    return model.to(device).eval()


def _weights(file: Path) -> dict[str, Tensor]:
    """Return the weights in a checkpoint or a .safetensors file."""
    return checkpoints.read_weights(file) if file.suffix == ".safetensors" else checkpoints.read(file)["model"]


@torch.inference_mode()
def enhance(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the network's output for one interpolated signal, ``(T,) -> (T,)`` float32, computed on the device of its weights."""
    device = next(model.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None, None].to(device)
    return model(batch)[0, 0].cpu().numpy()


def super_resolve(model: nn.Module, x_low: np.ndarray) -> np.ndarray:
    """Return a recording at 44.1 kHz, ``(T,) at 22.05 kHz -> (2T,)``: the network's interpolation, then the network."""
    return enhance(model, resampling.interpolate(np.asarray(x_low, dtype=np.float32), model.interpolation))


def all_systems(networks: dict[str, nn.Module], y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the low-rate version of a target, and the estimates of the interpolators and of some networks from it.

    Parameters
    ----------
    networks : networks by name, such as "unet" and "light".
    y : target at 44.1 kHz, ``(T,)`` with even T.

    Returns
    -------
    "low", ``(T/2,)`` at 22.05 kHz; then "kaiser_fast", "kaiser_best" and each network's name, ``(T,)``.
    """
    low = resampling.degrade(np.asarray(y, dtype=np.float32))
    methods = {"kaiser_fast", "kaiser_best", *(network.interpolation for network in networks.values())}
    inputs = {method: resampling.interpolate(low, method) for method in methods}
    made = {"low": low, "kaiser_fast": inputs["kaiser_fast"], "kaiser_best": inputs["kaiser_best"]}
    return made | {name: enhance(network, inputs[network.interpolation]) for name, network in networks.items()}


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
