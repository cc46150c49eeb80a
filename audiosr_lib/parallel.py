"""Training on several GPUs or machines: torchrun starts one process for each, PyTorch's DistributedDataParallel joins their gradients.

The batch is divided, not multiplied: every process works on its part of the same batch, and what is computed over the whole batch is
still computed over all of it: the statistics of batch norm, the norms of the spectral convergence, the mean of the gradient. So the
number of processes decides how long a run takes and, but for rounding, nothing else.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join(device: str) -> tuple[int, int]:
    """(rank, world) of this process: joins the group that torchrun describes, NCCL for "cuda", Gloo for "cpu"; (0, 1) without one."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not dist.is_initialized():
        if device == "cuda":
            own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(own)
            dist.init_process_group("nccl", device_id=own)
        else:
            dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


def leave() -> None:
    """End the group, if there is one. Not after an error in one process: NCCL would wait here for the others, and they for this one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def share() -> tuple[int, int]:
    """(rank, world) of a group that was joined before, else (0, 1)."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def wait() -> None:
    """Until every process is here."""
    if share()[1] > 1:
        dist.barrier()


def told_by_first(value: float, device: str) -> float:
    """A number as the process of rank 0 has it."""
    if share()[1] == 1:
        return value
    told = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(told, 0)
    return told.item()


def agreed(value: int, device: str) -> bool:
    """Whether every process has the same number as the first one; the same answer in all of them."""
    differs = torch.tensor([float(value != told_by_first(value, device))], device=device)
    if share()[1] > 1:
        dist.all_reduce(differs)
    return not differs.item()


def total(x: Tensor) -> Tensor:
    """Sum of a tensor over all processes; gradients flow back to each of them. torch.compile takes it into its graph."""
    from torch.distributed import _functional_collectives

    return _functional_collectives.all_reduce(x, "sum", dist.group.WORLD)


def mean(x: Tensor) -> Tensor:
    """Mean of a tensor over all processes, without a gradient."""
    if share()[1] == 1:
        return x
    x = x.detach().clone()
    dist.all_reduce(x)
    return x / share()[1]


class SyncedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation with the statistics of the whole batch, of which each process holds an equal part.

    Shape: ``(B, C, T) -> (B, C, T)``. In evaluation mode it is `nn.BatchNorm1d`. PyTorch's SyncBatchNorm does the same, on GPUs only.
    Oracle: nn.BatchNorm1d on the whole batch.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        wide = x.to(self.weight.dtype)  # statistics in the weights' precision also where the network computes in half
        n = wide.shape[0] * wide.shape[2] * share()[1]
        average = total(wide.sum(dim=(0, 2))) / n
        centred = wide - average[:, None]
        variance = total(centred.square().sum(dim=(0, 2))) / n
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(average, self.momentum)
            self.running_var.lerp_(variance * n / (n - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None] + self.bias[:, None]).to(x.dtype)


def joined(model: nn.Module) -> nn.Module:
    """The network as one step of all processes sees it: gradients averaged. Its weights are `model`'s own; synchronise them before.

    Buffers need no copying: synchronised batch norm keeps the same statistics everywhere.
    """
    device = next(model.parameters()).device
    return nn.parallel.DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None, broadcast_buffers=False)


def synchronised(model: nn.Module) -> nn.Module:
    """The same network, in place, its batch norms replaced by `SyncedBatchNorm1d` with their weights and statistics."""
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm1d):
            synced = SyncedBatchNorm1d(child.num_features, child.eps, child.momentum).to(child.weight.device, child.weight.dtype)
            synced.load_state_dict(child.state_dict())
            setattr(model, name, synced.train(child.training))
        else:
            synchronised(child)
    return model
