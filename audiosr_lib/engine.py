"""What makes training fast, each a switch of the config: the corpus in the device's memory, half precision, no waiting for the device.

All switches off is the plain loop of notebook 08. None changes what is learned, but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from audiosr_lib.dataset import FULL_SCALE, Crops
from audiosr_lib.losses import LOSS_NAMES, Objective

BLOCK = 1 << 26  # samples copied to the device at once
FREE_SHARE = 0.5  # of a GPU's free memory that the corpus may fill
COLUMNS = (*LOSS_NAMES, "grad_norm")


class NoGPU(RuntimeError):
    """CUDA was asked for where there is none; the message says what to do."""


def device_for(wanted: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda"; NoGPU for "cuda" without one."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no GPU or driver was found"
        raise NoGPU(f"--device cuda: no CUDA GPU, {why}. Use --device cpu, or auto, which takes a GPU where there is one.")
    if not available or wanted == "cpu":
        return "cpu"
    torch.backends.cudnn.allow_tf32 = False  # float32 is to be float32: TF32's rounding fills near-silent bins, which LSD sees
    return "cuda"


class HostBatches:
    """Batches read from the memory map and copied to the device; on a GPU by pinned memory, so that the copy does not hold up the host."""

    def __init__(self, crops: Crops, device: str) -> None:
        self.crops, self.device = crops, torch.device(device)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        sides = [torch.from_numpy(side) for side in self.crops.batch(step)]
        if self.device.type == "cuda":
            sides = [side.pin_memory() for side in sides]
        x, y = (side.to(self.device, non_blocking=True) for side in sides)
        return x, y


class ResidentBatches:
    """All samples of a split as 16-bit codes in the device's memory; crops are gathered and converted there.

    The same batches as `HostBatches`, to the bit; four bytes a sample for x and y together.
    """

    def __init__(self, crops: Crops, device: str) -> None:
        self.crops = crops
        sides = crops.split.codes()
        self.codes = torch.empty((2, len(sides[0])), dtype=torch.int16, device=device)
        for row, side in zip(self.codes, sides, strict=True):
            for begin in range(0, len(side), BLOCK):  # the corpus need not fit into the host's memory
                row[begin : begin + BLOCK] = torch.from_numpy(np.array(side[begin : begin + BLOCK]))
        self.inside = torch.arange(crops.crop_length, device=device)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, ``(B, 1, T)`` float32 each."""
        starts = [self.crops.split.utterances[i].offset + start for i, start in self.crops.places(step)]
        starts = torch.tensor(starts)
        if self.inside.is_cuda:
            starts = starts.pin_memory()
        index = starts.to(self.inside.device, non_blocking=True)[:, None] + self.inside  # (B, T)
        x, y = (self.codes[:, index].float() / FULL_SCALE).unsqueeze(2)
        return x, y


def batches(crops: Crops, device: str, resident: bool) -> HostBatches | ResidentBatches:
    """Batches from the device's memory if that is wanted and the split fits into `FREE_SHARE` of what is free there, else from the host."""
    if resident and torch.device(device).type == "cuda":
        needed = sum(side.nbytes for side in crops.split.codes())
        resident = needed < FREE_SHARE * torch.cuda.mem_get_info(device)[0]
    return ResidentBatches(crops, device) if resident else HostBatches(crops, device)


def step_without_waiting(
    model: nn.Module, objective: Objective, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, clip_norm: float, autocast: str
) -> Tensor:
    """One training step whose results stay on the device: ``(5,)``, the four losses and the gradient norm before clipping.

    autocast : "" or a floating type's name, in which the network is computed; the losses, the gradients and the optimiser stay in
    float32. Nothing is checked here: a step that is not finite shows in its results, and reaches the weights.
    """
    optimizer.zero_grad(set_to_none=True)
    if autocast:
        with torch.autocast(x.device.type, getattr(torch, autocast)):
            y_hat = model(x)
    else:
        y_hat = model(x)
    terms = objective(y_hat.float(), y)
    terms.loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    return torch.stack([*(t.detach() for t in terms.items().values()), norm])


def rows(results: Iterable[Tensor]) -> list[dict[str, float]]:
    """Results of several steps, read at once, as dictionaries by `COLUMNS`; this waits for the device."""
    return [dict(zip(COLUMNS, values, strict=True)) for values in torch.stack(list(results)).tolist()]
