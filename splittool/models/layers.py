"""What several networks are built of."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "elu"]
Norm = Literal["batch", "none"]


class ConvBlock(nn.Sequential):
    """3x3 convolutions, each followed by its normalisation and activation.

    Args:
        inputs: Channels in.
        outputs: Channels of every convolution.
        activation: After each convolution.
        norm: Between a convolution and its activation.
        depth: Number of convolutions.
    """

    def __init__(
        self, inputs: int, outputs: int, activation: Activation, norm: Norm, depth: int = 2
    ) -> None:
        super().__init__()
        for number in range(1, depth + 1):
            # A bias before batch normalisation would be subtracted again.
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=norm == "none")
            self.add_module(f"conv_{number}", conv)
            if norm == "batch":
                self.add_module(f"norm_{number}", nn.BatchNorm2d(outputs))
            self.add_module(f"{activation}_{number}", make_activation(activation))
            inputs = outputs


def make_activation(name: Activation) -> nn.Module:
    """A layer that overwrites its input."""
    return nn.ReLU(inplace=True) if name == "relu" else nn.ELU(inplace=True)
