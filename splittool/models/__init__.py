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
from splittool.models.latent import BOTTLENECK, LatentNetwork
from splittool.models.latent_cut import LatentCut
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


# Options of every network that has no latent of its own: the split point whose crossing tensors are
# made again from one, and its channels.
CUT_OPTIONS = ("at", "latent_channels")


def options_of(arch: str) -> list[str]:
    """Names of the options of a network."""
    own = [name for name in inspect.signature(NETWORKS[arch]).parameters if name != "classes"]
    return own if has_latent(arch, {}) else [*own, *CUT_OPTIONS]


def has_latent(arch: str, options: Options) -> bool:
    """Whether one latent crosses, which training prices in bits."""
    made = NETWORKS[arch]
    return "at" in options or (isinstance(made, type) and issubclass(made, LatentNetwork))


def own_options(options: Options) -> dict[str, Any]:
    """Options of the network that is cut, without those of the cut at a latent."""
    return {name: value for name, value in options.items() if name not in CUT_OPTIONS}


def build(
    arch: str, classes: int, options: Options, mean: float = 0.0, std: float = 255.0
) -> Segmenter:
    """Build a network that takes pixels.

    Args:
        arch: A name of `NETWORKS`.
        classes: Number of masks to predict.
        options: The network's own options, or with `at` those of a `LatentCut` of it.
        mean: Pixel value that becomes 0.
        std: Difference of pixel values that becomes 1.

    Raises:
        ValueError: An option cannot be what it is.
    """
    make = partial(NETWORKS[arch], classes, **own_options(options))
    if "at" in options:
        network: nn.Module = LatentCut(
            make, options["at"], options.get("latent_channels", BOTTLENECK)
        )
    elif "latent_channels" in options:
        raise ValueError("`latent_channels` needs `at`, a split point")
    else:
        network = make()
    return Segmenter(network, mean, std)


__all__ = [
    "NETWORKS",
    "LatentCut",
    "LatentNetwork",
    "Options",
    "Segmenter",
    "build",
    "has_latent",
    "options_of",
    "own_options",
]
