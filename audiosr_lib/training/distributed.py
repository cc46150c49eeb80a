"""Several processes of one training: torchrun starts one for each GPU, and PyTorch's DistributedDataParallel averages their gradients.

Every process computes the loss and the batch statistics of its part of the batch, as is usual. So several processes learn nearly,
but not exactly, what one process learns from the whole batch.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


def join(device: str) -> tuple[int, int]:
    """Join the group that torchrun describes, by NCCL for "cuda" or Gloo for "cpu", and return `rank_and_world`."""
    if "WORLD_SIZE" in os.environ and not dist.is_initialized():
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return rank_and_world()


def leave() -> None:
    """End the group if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def rank_and_world() -> tuple[int, int]:
    """Return the number of this process and the number of processes; (0, 1) without a group."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def barrier() -> None:
    """Wait until every process has reached this call."""
    if rank_and_world()[1] > 1:
        dist.barrier()


def broadcast_from_rank0(value: float, device: str) -> float:
    """Return the value that the process of rank 0 passes."""
    if rank_and_world()[1] == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(shared, 0)
    return shared.item()


def all_reduce_mean(x: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes."""
    if rank_and_world()[1] > 1:
        dist.all_reduce(x)
    return x / rank_and_world()[1]


def data_parallel(model: nn.Module) -> nn.Module:
    """Return the network for training steps, wrapped in DistributedDataParallel if there are several processes."""
    return nn.parallel.DistributedDataParallel(model) if rank_and_world()[1] > 1 else model
