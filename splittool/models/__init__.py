"""The networks, one file each, and the registry that builds them by name."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from splittool.errors import MissingExtraError

try:
    from torch import nn
except ModuleNotFoundError:
    raise MissingExtraError(
        "training and reading a .pt need torch, which is not installed; install it:"
        " pip install torch"
    ) from None

from splittool.models.fcn import FCN
from splittool.models.pspnet import PSPNet
from splittool.models.segmenter import Segmenter
from splittool.models.splitnet import SplitNet
from splittool.models.unet import UNet

Options = Mapping[str, Any]

# Every network takes (classes, **options) and has the attributes `stride`, `split_points` and
# `classifier`.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "unet": UNet,
    "fcn32s": partial(FCN, 32),
    "fcn16s": partial(FCN, 16),
    "fcn8s": partial(FCN, 8),
    "pspnet": PSPNet,
    "splitnet": SplitNet,
}


def options_of(arch: str) -> list[str]:
    """Names of the options of a network."""
    return [name for name in inspect.signature(NETWORKS[arch]).parameters if name != "classes"]


def build(
    arch: str, classes: int, options: Options, mean: float = 0.0, std: float = 255.0
) -> Segmenter:
    """Build a network that takes pixels.

    Args:
        arch: A name of `NETWORKS`.
        classes: Number of masks to predict.
        options: The network's own options.
        mean: Pixel value that becomes 0.
        std: Difference of pixel values that becomes 1.
    """
    return Segmenter(NETWORKS[arch](classes, **options), mean, std)


__all__ = ["NETWORKS", "Options", "Segmenter", "build", "options_of"]
