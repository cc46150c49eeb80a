"""Using a trained U-Net: load it, and bring a low-rate recording to 44.1 kHz. Notebook 10."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from audiosr_lib import paths, resampling
from audiosr_lib.dataset import NotPrepared
from audiosr_lib.unet import UNet


def load_model(checkpoint: Path, device: str = "cpu") -> UNet:
    """The network of a checkpoint, in evaluation mode. Raises NotPrepared if the file is not there."""
    if not checkpoint.exists():
        raise NotPrepared(
            f"there is no trained network at {paths.shown(checkpoint)}: run notebook 08_unet_training first, "
            "or on the command line ./run_all.sh --only 08"
        )
    model = UNet()
    model.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["model"])
    return model.to(device).eval()


@torch.inference_mode()
def enhance(model: UNet, x: np.ndarray) -> np.ndarray:
    """Run the network over one interpolated signal, ``(T,) -> (T,)`` float32, on the device of its weights."""
    device = next(model.parameters()).device
    batch = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None, None].to(device)
    return model(batch)[0, 0].cpu().numpy()


def super_resolve(model: UNet, x_low: np.ndarray) -> np.ndarray:
    """The whole system: kaiser_fast, then the network; ``(T,) at 22.05 kHz -> (2T,) at 44.1 kHz``."""
    return enhance(model, resampling.interpolate(np.asarray(x_low, dtype=np.float32)))


SYSTEMS = ("kaiser_fast", "kaiser_best", "unet")


def all_systems(model: UNet, y: np.ndarray) -> dict[str, np.ndarray]:
    """Every system's estimate of a target from the same low-rate version of it.

    Parameters
    ----------
    y : (T,) float32 at 44.1 kHz, T even.

    Returns
    -------
    {"low": (T/2,) at 22.05 kHz, "kaiser_fast", "kaiser_best", "unet": (T,) each at 44.1 kHz}.
    """
    low = resampling.degrade(np.asarray(y, dtype=np.float32))
    fast = resampling.interpolate(low, "kaiser_fast")
    return {
        "low": low,
        "kaiser_fast": fast,
        "kaiser_best": resampling.interpolate(low, "kaiser_best"),
        "unet": enhance(model, fast),
    }
