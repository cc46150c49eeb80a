"""Batches of crops on a device: read from the memory-mapped files or gathered from device memory. Both give the same numbers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from audiosr_lib.base.constants import FULL_SCALE
from audiosr_lib.data.dataset import Crops

BLOCK = 1 << 26  # samples copied to the device at once
FREE_SHARE = 0.5  # share of a GPU's free memory that the corpus may fill


class HostBatches:
    """Batches read from the memory-mapped files and copied to the device, through pinned memory if it is a GPU."""

    def __init__(self, crops: Crops, device: str) -> None:
        self.crops, self.device = crops, torch.device(device)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        sides = [torch.from_numpy(side) for side in self.crops.batch(step)]
        if self.device.type == "cuda":
            sides = [side.pin_memory() for side in sides]
        x, y = (side.to(self.device, non_blocking=True) for side in sides)
        return x, y


class DeviceBatches:
    """Batches gathered on the device, which holds the whole split as 16-bit codes: four bytes per sample for x and y together."""

    def __init__(self, crops: Crops, device: str) -> None:
        self.crops = crops
        parts = crops.split.codes()
        self.bases = np.cumsum([0, *(len(x) for x, _ in parts)])  # where each part of the corpus begins
        self.codes = torch.empty((2, int(self.bases[-1])), dtype=torch.int16, device=device)
        for base, sides in zip(self.bases, parts, strict=False):
            for row, side in zip(self.codes, sides, strict=True):
                for begin in range(0, len(side), BLOCK):  # in blocks, because the corpus may exceed the memory of the host
                    block = np.array(side[begin : begin + BLOCK])
                    row[base + begin : base + begin + len(block)] = torch.from_numpy(block)
        self.inside = torch.arange(crops.crop_length, device=device)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        chosen = [(self.crops.split.utterances[i], start) for i, start in self.crops.places(step)]
        starts = torch.tensor([int(self.bases[u.part]) + u.offset + start for u, start in chosen])
        index = starts.to(self.inside.device)[:, None] + self.inside  # (B, T)
        x, y = (self.codes[:, index].float() / FULL_SCALE).unsqueeze(2)
        if self.crops.floor_db is not None:
            x, y = (side + torch.from_numpy(floor).to(side.device) for side, floor in zip((x, y), self.crops.floors(step), strict=True))
        return x, y


def make_batches(crops: Crops, device: str, data_on_device: bool) -> HostBatches | DeviceBatches:
    """Return `DeviceBatches` if `data_on_device` is set and, on a GPU, the split fits into `FREE_SHARE`; otherwise `HostBatches`."""
    if data_on_device and torch.device(device).type == "cuda":
        needed = sum(side.nbytes for sides in crops.split.codes() for side in sides)
        data_on_device = needed < FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    return DeviceBatches(crops, device) if data_on_device else HostBatches(crops, device)
