"""Training on several processes that torchrun starts, or on one."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

# DistributedDataParallel imports this module, whose functions keep the group that is there when it
# is imported: here, before there is one, so that none is kept to the end of the interpreter.
import torch.distributed.nn.functional
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes that train together.

    Attributes:
        rank: Number of this process; 0 writes files and talks to the user.
        size: Number of processes.
        device: The device that this process computes on.
    """

    rank: int
    size: int
    device: torch.device

    def add_up(self, tensor: Tensor) -> Tensor:
        """Differentiable sum over processes."""
        if self.size == 1:
            return tensor
        summed: Tensor = _AddUp.apply(tensor)  # type: ignore[no-untyped-call]
        return summed

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any process."""
        if self.size == 1:
            return flag
        return bool(self.add_up(torch.tensor(float(flag), device=self.device)).item())

    def share(self, found: T | None) -> T:
        """Give every process the value that the first one found."""
        held = [found]
        if self.size > 1:
            dist.broadcast_object_list(held, device=self.device)
        shared = held[0]
        assert shared is not None
        return shared

    def wrap(self, model: nn.Module) -> nn.Module:
        """Average gradients over processes, and take batch statistics over all of them."""
        if self.size == 1:
            return model
        if self.device.type == "cuda":
            synced = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            return DistributedDataParallel(synced, device_ids=[self.device.index])
        _share_batch_statistics(model, self)
        return DistributedDataParallel(model)


def is_first() -> bool:
    """Whether this process is the one that writes files and talks to the user."""
    return is_alone() or os.environ["RANK"] == "0"


def is_alone() -> bool:
    """Whether torchrun has announced no other process."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Join the processes that torchrun announced in the environment, if any."""
    if is_alone():
        yield World(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if dist.is_initialized():  # by a caller that trains several times
        yield World(dist.get_rank(), dist.get_world_size(), device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
        gc.collect()  # the last that has the group; its threads must not outlive the interpreter


class _AddUp(Function):
    """Sum over processes; the gradient of a sum that all of them use is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].clone()
        dist.all_reduce(summed)
        return summed


class _SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over all processes on the CPU, which torch's SyncBatchNorm refuses."""

    world: World

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = x.numel() / x.shape[1] * self.world.size
        mean = self.world.add_up(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = self.world.add_up((centred * centred).sum((0, 2, 3))) / count
        self._update(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def _share_batch_statistics(model: nn.Module, world: World) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = _SharedBatchNorm
            module.world = world  # type: ignore[assignment]
