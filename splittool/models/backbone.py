"""ImageNet weights for a network's backbone, from a local file."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from splittool.errors import InputError, UsageError
from splittool.files import require_file


@runtime_checkable
class HasBackbone(Protocol):
    """A network whose backbone has published weights.

    Attributes:
        backbone_modules: Prefixes of the names of the backbone's weights.
    """

    backbone_modules: tuple[str, ...]

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename torchvision's weights to the network's own names."""


def load_backbone(network: nn.Module, path: Path) -> None:
    """Copy a state dictionary with torchvision's key names into the backbone of a network.

    ImageNet's networks expect each colour channel with zero mean and unit deviation. That is what
    the networks here get from pixels, but with one mean and deviation for all three channels:
    steel is grey.

    Args:
        network: An FCN (vgg16 or vgg16_bn) or a PSPNet (resnet50).
        path: What `torch.save(model.state_dict(), path)` wrote.

    Raises:
        UsageError: The network has no backbone.
        InputError: The file is not a state dictionary, or does not fit.
    """
    if not isinstance(network, HasBackbone):
        raise UsageError("`backbone_weights` is for networks with a backbone: fcn*, pspnet")
    modules = network.backbone_modules
    found = network.backbone_state(_read(path))
    own = network.state_dict()
    expected = [name for name in own if name.startswith(modules)]
    wrong = next((n for n in expected if n not in found or found[n].shape != own[n].shape), None)
    if wrong is not None:
        have = f"shape {list(found[wrong].shape)}" if wrong in found else "no tensor"
        raise InputError(
            f"{path} does not fit: it has {have} for {wrong} {list(own[wrong].shape)};"
            " give torchvision's weights of vgg16 (`norm` none), vgg16_bn or resnet50"
        )
    network.load_state_dict({name: found[name] for name in expected}, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    require_file(path, "give a file of torchvision's weights")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError):
        state = None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(
            f"{path} is not a state dictionary; save one with torch.save(model.state_dict(), FILE)"
        )
    return state
