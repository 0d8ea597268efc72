"""PSPNet (Zhao et al., 2017): pyramid pooling on a dilated ResNet-50.

The auxiliary loss that the authors train the backbone with is left out: it is not part of the
network that is cut and shipped.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from splittool.models.resnet import DilatedResNet

BINS = (1, 2, 3, 6)
WIDTHS = (64, 128, 256, 512)
BLOCKS = (3, 4, 6, 3)


class BinNorm(nn.BatchNorm2d):
    """Batch normalisation that accepts a single value per channel.

    One image pooled to one pixel has no standard deviation; the running statistics are used then.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """(B, C, H, W) to the same."""
        if input.numel() > input.shape[1]:
            return super().forward(input)
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


class PyramidPooling(nn.Module):
    """Averages over 1, 4, 9 and 36 parts of the image, beside the features themselves.

    Args:
        channels: Channels of the input; the output has twice as many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        for size in BINS:
            self.add_module(
                f"bin_{size}",
                nn.Sequential(
                    nn.AdaptiveAvgPool2d(size),
                    nn.Conv2d(channels, channels // len(BINS), 1, bias=False),
                    BinNorm(channels // len(BINS)),
                    nn.ReLU(inplace=True),
                ),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2 * C, H, W)."""
        size = x.shape[2:]
        pooled = [self.get_submodule(f"bin_{bins}")(x) for bins in BINS]
        return torch.cat([x, *(F.interpolate(p, size, mode="bilinear") for p in pooled)], dim=1)


class PSPNet(DilatedResNet):
    """Backbone, pyramid pooling, and a classifier at 1/8 of the image.

    Args:
        classes: Number of output maps.
        widths: Channels of the 3x3 convolutions of each stage of the backbone.
        blocks: Bottlenecks of each stage of the backbone.
    """

    def __init__(
        self, classes: int, widths: Sequence[int] = WIDTHS, blocks: Sequence[int] = BLOCKS
    ) -> None:
        super().__init__(widths, blocks)
        self.split_points = ("maxpool_1", "layer1", "layer2", "layer3", "layer4")
        self.backbone_modules = ("conv1", "bn1", "layer")
        channels = self.channels
        self.pyramid = PyramidPooling(channels)
        self.bottleneck = nn.Sequential(
            nn.Conv2d(2 * channels, channels // 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels // 4),
            nn.ReLU(inplace=True),
            nn.Dropout2d(0.1),
        )
        self.classifier = nn.Conv2d(channels // 4, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, classes, H, W) logits; H and W are multiples of `stride`."""
        features = self.pyramid(self.features(x))
        scores = self.classifier(self.bottleneck(features))
        return F.interpolate(scores, scale_factor=float(self.stride), mode="bilinear")

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of torchvision's resnet50 as they are: the names are the same."""
        return dict(state)
