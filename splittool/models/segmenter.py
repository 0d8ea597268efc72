"""What networks share: blocks of layers, and the normalisation, so that pixels go in."""

from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "elu"]
Norm = Literal["batch", "none"]


class Normalise(nn.Module):
    """Map pixel values 0..255 to zero mean and unit standard deviation."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 1, 1, 1), mean))
        self.register_buffer("scale", torch.full((1, 1, 1, 1), 1 / std))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) of any number type to float32."""
        return (pixels.float() - self.mean) * self.scale


class Segmenter(nn.Module):
    """A segmentation network that takes pixels.

    Attributes:
        network: The network itself.
        stride: Height and width of the input must be multiples of it.
        classifier: The convolution whose outputs become the logits; its bias holds the prior.
        split_points: Names of the modules after which the paper cuts.
    """

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std)
        self.network = network

    @property
    def stride(self) -> int:
        """Height and width of the input must be multiples of it."""
        return int(self.network.stride)  # type: ignore[arg-type]

    @property
    def classifier(self) -> nn.Conv2d:
        """The convolution whose outputs become the logits; its bias holds the prior."""
        layer = self.network.classifier
        assert isinstance(layer, nn.Conv2d)
        return layer

    @property
    def split_points(self) -> tuple[str, ...]:
        """Names of the modules after which the paper cuts."""
        return tuple(self.network.split_points)  # type: ignore[arg-type]

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixels 0..255 to (B, C, H, W) logits."""
        logits: Tensor = self.network(self.normalise(pixels))
        return logits


class ConvBlock(nn.Sequential):
    """3x3 convolutions, each followed by its normalisation and activation.

    Args:
        inputs: Channels in.
        outputs: Channels of every convolution.
        activation: The activation after each convolution.
        norm: The normalisation between a convolution and its activation.
        depth: Number of convolutions.

    Raises:
        ValueError: There is no such activation or norm.
    """

    def __init__(
        self, inputs: int, outputs: int, activation: Activation, norm: Norm, depth: int = 2
    ) -> None:
        super().__init__()
        if norm not in ("batch", "none"):
            raise ValueError(f"there is no norm {norm!r}: batch or none")
        for number in range(1, depth + 1):
            # A bias before batch normalisation would be subtracted again.
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none")
            self.add_module(f"conv_{number}", conv)
            if norm == "batch":
                self.add_module(f"norm_{number}", nn.BatchNorm2d(outputs))
            self.add_module(f"{activation}_{number}", make_activation(activation))
            inputs = outputs


_ACTIVATIONS: dict[str, type[nn.ReLU | nn.ELU]] = {"relu": nn.ReLU, "elu": nn.ELU}


def make_activation(name: Activation) -> nn.Module:
    """A layer that overwrites its input.

    Raises:
        ValueError: There is no such activation.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"there is no activation {name!r}: relu or elu")
    return _ACTIVATIONS[name](inplace=True)
