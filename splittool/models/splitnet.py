"""A network made to be split: a small encoder, a latent of whole numbers, a free cloud side."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from splittool.models.latent import (
    BOTTLENECK,
    CLOUD_DEPTHS,
    DEPTHS,
    WIDTHS,
    LatentNetwork,
    make_blocks,
    make_doubling,
    make_summary,
)
from splittool.models.segmenter import Activation, ConvBlock, Norm


class SplitNet(LatentNetwork):
    """Encoder, latent and cloud side.

    With one width the latent is at a quarter of the image's resolution, with two at an eighth, with
    three at a sixteenth. The cloud side goes down to a sixteenth in any case, so that it sees as
    much of the image: what it finds below the latent's resolution is added to what it has there.

    Args:
        classes: Number of output maps.
        widths: Channels of each level, on the device and in the cloud; each level below them has
            twice as many as the one before.
        depths: Residual blocks of each level on the device.
        cloud_depths: Residual blocks of each level in the cloud, down to a sixteenth or further.
        bottleneck: Channels of the latent.
        activation: "relu" fuses into VPU hardware stages.
        norm: "batch" folds into the convolutions at export.

    Raises:
        ValueError: There are not as many depths as levels.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] | None = None,
        cloud_depths: Sequence[int] = CLOUD_DEPTHS,
        bottleneck: int = BOTTLENECK,
        activation: Activation = "relu",
        norm: Norm = "batch",
    ) -> None:
        depths = DEPTHS.get(len(widths), ()) if depths is None else depths
        levels = max(len(widths), len(CLOUD_DEPTHS))
        _require_as_many("depths", depths, len(widths))
        _require_as_many("cloud_depths", cloud_depths, levels)
        super().__init__(widths, depths, bottleneck, activation, norm)
        self.stride = self.latent_stride * 2 ** (levels - len(widths))
        channels = widths[-1]
        self.enter = ConvBlock(bottleneck, channels, activation, norm, depth=1)
        self.summary = make_summary(channels, cloud_depths[len(widths) :], activation, norm)
        self.cloud = nn.Sequential()
        for level in range(len(widths), 0, -1):
            width = widths[level - 1]
            if level < len(widths):
                up = make_doubling(channels, width, activation, norm)
                self.cloud.add_module(f"up_{level}", up)
            depth = cloud_depths[level - 1]
            self.cloud.add_module(f"blocks_{level}", make_blocks(width, depth, activation, norm))
            channels = width
        # Four values of each class at a quarter of the resolution become one each at half of it.
        self.classifier = nn.Conv2d(channels, 4 * classes, 3, padding=1)

    def decode(self, latent: Tensor) -> Tensor:
        """A latent, rounded or as noisy as rounding makes it, to (B, classes, H, W) logits."""
        x = self.cloud(self.summary(self.enter(latent)))
        x = F.pixel_shuffle(self.classifier(x), 2)
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _require_as_many(name: str, depths: Sequence[int], levels: int) -> None:
    if len(depths) != levels:
        raise ValueError(f"{levels} levels need as many `{name}`, not {len(depths)}")
