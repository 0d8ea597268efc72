"""The networks, one file each, and the registry that builds them by name."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from splittool.models.segmenter import Segmenter
from splittool.models.unet import UNet

Options = Mapping[str, Any]

# Every network takes (classes, **options) and has the attributes `stride` and `split_points`.
NETWORKS: dict[str, Callable[..., nn.Module]] = {"unet": UNet}


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


__all__ = ["NETWORKS", "Options", "Segmenter", "build"]
