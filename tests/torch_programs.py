"""Programs of PyTorch that tests make: TorchScript, traced and scripted, and an exported one."""

import warnings
from pathlib import Path

import torch
from torch.nn import functional

SIZE = 16


class TwoLevels(torch.nn.Module):
    """A skip connection over a pooling; resizing it is full of conditions once it is scripted."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.middle = torch.nn.Conv2d(4, 4, 3, padding=1)
        self.last = torch.nn.Conv2d(8, 2, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        skip = torch.relu(self.norm(self.first(pixels)))
        low = self.middle(functional.max_pool2d(skip, 2))
        if pixels.shape[2] > 8:
            low = torch.relu(low)
        up = functional.interpolate(low, scale_factor=2.0, mode="bilinear")
        return torch.sigmoid(self.last(torch.cat([up, skip], 1)))


class OfAList(torch.nn.Module):
    def forward(self, tensors: list[torch.Tensor]) -> torch.Tensor:
        return tensors[0] + 1


def two_levels() -> torch.nn.Module:
    torch.manual_seed(0)
    return TwoLevels().eval()


def export(network: torch.nn.Module, path: Path, size: tuple[int, int] = (SIZE, SIZE)) -> Path:
    """A .pt2 whose batch is open."""
    example = torch.zeros(2, 3, *size)
    batch = torch.export.Dim("batch", min=1, max=8)
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=({0: batch},)), path)
    return path


def script(network: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated; its files are there
        torch.jit.script(network).save(path)
    return path


def trace(network: torch.nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, torch.zeros(1, 3, SIZE, SIZE)).save(path)
    return path


MAKERS = {"net.pt2": export, "scripted.pt": script, "traced.ts": trace}
