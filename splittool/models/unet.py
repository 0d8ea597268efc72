"""U-Net (Ronneberger et al., 2015), by default with the widths that the paper's tables imply.

Tables I and II fix height x width x first width at 3,276,800 elements and the fifth level at eight
times the first; 8, 16, 32, 64, 64 with a bottleneck of 128 is the small U-Net that satisfies both
at 256x1600.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from splittool.models.segmenter import Activation, ConvBlock, Norm

WIDTHS = (8, 16, 32, 64, 64)
BOTTLENECK = 128


class UNet(nn.Module):
    """Encoder, bottleneck and decoder with a skip connection at every level.

    Args:
        classes: Number of output maps.
        widths: Channels of each encoder level; the decoder mirrors them.
        bottleneck: Channels below the last pooling.
        activation: "relu" fuses into VPU hardware stages; "elu" is what the paper's tables hold.
        norm: "batch" trains far better on rare defects and folds into the convolutions at export.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = WIDTHS,
        bottleneck: int = BOTTLENECK,
        activation: Activation = "relu",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.levels = len(widths)
        self.stride = 2**self.levels
        self.split_points = tuple(f"maxpool_{level}" for level in range(1, self.levels + 1))
        channels = 3
        for level, width in enumerate(widths, start=1):
            self.add_module(f"encoder_{level}", ConvBlock(channels, width, activation, norm))
            self.add_module(f"maxpool_{level}", nn.MaxPool2d(2))
            channels = width
        self.bottleneck = ConvBlock(channels, bottleneck, activation, norm)
        channels = bottleneck
        for level, width in reversed(list(enumerate(widths, start=1))):
            self.add_module(f"up_{level}", nn.ConvTranspose2d(channels, width, 2, stride=2))
            self.add_module(f"decoder_{level}", ConvBlock(2 * width, width, activation, norm))
            channels = width
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, classes, H, W) logits; H and W are multiples of `stride`."""
        skips: list[Tensor] = []
        for level in range(1, self.levels + 1):
            x = self.get_submodule(f"encoder_{level}")(x)
            skips.append(x)
            x = self.get_submodule(f"maxpool_{level}")(x)
        x = self.bottleneck(x)
        for level in range(self.levels, 0, -1):
            x = self.get_submodule(f"up_{level}")(x)
            x = torch.cat([x, skips.pop()], dim=1)
            x = self.get_submodule(f"decoder_{level}")(x)
        logits: Tensor = self.classifier(x)
        return logits
