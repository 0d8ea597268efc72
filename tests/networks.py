"""What many tests make: cuts on disk, runners of networks and of cuts."""

from collections.abc import Sequence
from pathlib import Path

import torch

from splittool.network.network import Network
from splittool.reports import CutReport
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.runners import SplitRunner, WholeRunner
from splittool.split.split_network import SplitNetwork

F32 = RunOptions(precision="f32")


def write_cut(
    source: Path, at: Sequence[str], folder: Path, tolerance: float = 1e-5, force: bool = False
) -> CutReport:
    """Cut a model file; returns what cut.json says."""
    return Network.load(source).cut(*at).write(folder, tolerance, force=force).report


def whole_runner(source: Path) -> WholeRunner:
    """A whole network in 32 bits."""
    return Network.load(source).runner(F32)


def split_runner(folder: Path, bits: int = 16, codec: str = "fast") -> SplitRunner:
    """The cut in a folder in 32 bits."""
    return SplitNetwork.open(folder).runner(F32, LinkOptions(bits, codec))


def assert_gradients_everywhere(model: torch.nn.Module) -> None:
    """Every parameter takes part in what a network puts out."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    pixels = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    model(pixels).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
