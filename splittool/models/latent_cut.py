"""A network cut at a split point, whose crossing tensors are made again from one latent.

The part behind the cut stays as it is and can start from trained weights. In front of it stand
`SplitNet`'s encoder and a part of the cloud that makes from the latent what would have crossed.

The encoder is not the network's own layers: those up to the cut are as expensive as the network
chose, at the full resolution of the image (of FCN-8s up to maxpool_3 far more than a quarter of
all operations), and at a resolution that is too high for a latent, so that more would have to
follow. This one costs 2,745 MACs a pixel in front of any network: 23 % of the paper's U-Net.
"""

from collections.abc import Callable, Sequence
from math import lcm

from torch import Tensor, nn

from splittool.models.crossing import Crossing, tail_of
from splittool.models.latent import (
    BOTTLENECK,
    CLOUD_DEPTHS,
    PATCH,
    WIDTHS,
    LatentNetwork,
    make_blocks,
    make_doubling,
    make_summary,
)
from splittool.models.segmenter import ConvBlock

LEAST_WIDTH = 8  # channels where the resolution is higher than that of the encoder


class LatentCut(LatentNetwork):
    """Encoder, latent, the crossing tensors made again, and the network behind the cut.

    Args:
        make: Builds the network.
        at: One of its `split_points`.
        channels: Channels of the latent.

    Raises:
        ValueError: The network has no such split point.
    """

    def __init__(self, make: Callable[[], nn.Module], at: str, channels: int = BOTTLENECK) -> None:
        super().__init__(bottleneck=channels)
        tail = tail_of(make, at)
        self.stride = lcm(PATCH * 2 ** (len(CLOUD_DEPTHS) - 1), tail.stride)
        self.remake = Remake(channels, tail.crossing)
        self.tail = tail.module

    @property
    def classifier(self) -> nn.Module:
        """The convolution whose outputs become the logits."""
        return self.tail.get_submodule("classifier")

    def decode(self, latent: Tensor) -> Tensor:
        """A latent, rounded or as noisy as rounding makes it, to (B, classes, H, W) logits."""
        logits: Tensor = self.tail(*self.remake(latent))
        return logits

    def start_from(self, network: nn.Module) -> None:
        """Take the weights behind the cut from the whole network."""
        trained = network.state_dict()
        self.tail.load_state_dict({name: trained[name] for name in self.tail.state_dict()})


class Remake(nn.Module):
    """Make crossing tensors from a latent.

    From the latent's resolution it goes down and up, as `SplitNet`'s cloud side does, up to the
    highest that is wanted; one convolution writes each crossing tensor from the features at its
    resolution.

    Args:
        channels: Channels of the latent.
        crossing: The tensors to make.
    """

    coarsest: int  # stride of the latent

    def __init__(self, channels: int, crossing: Sequence[Crossing]) -> None:
        super().__init__()
        self.crossing = crossing
        sizes = zip(WIDTHS, CLOUD_DEPTHS[: len(WIDTHS)], strict=True)
        known = {PATCH * 2**level: size for level, size in enumerate(sizes)}
        stride = self.coarsest = max(known)
        width, depth = known[stride]
        self.enter = ConvBlock(channels, width, "relu", "batch", depth=1)
        self.summary = make_summary(width, CLOUD_DEPTHS[len(WIDTHS) :], "relu", "batch")
        self.levels = nn.ModuleDict({f"{stride}": make_blocks(width, depth, "relu", "batch")})
        widths = {stride: width}
        while stride > min(each.stride for each in crossing):
            stride //= 2
            below = width
            # Above the encoder's resolutions the latent has nothing more to tell.
            width, depth = known.get(stride, (max(LEAST_WIDTH, width // 2), 0))
            layers = make_doubling(below, width, "relu", "batch")
            layers.extend(make_blocks(width, depth, "relu", "batch"))
            self.levels[f"{stride}"] = layers
            widths[stride] = width
        self.writers = nn.ModuleDict()
        for each in crossing:
            source = self._source(each)
            ratio = each.stride // source
            conv = nn.Conv2d(widths[source], each.channels, ratio, stride=ratio)
            self.writers[each.name] = conv

    def _source(self, crossing: Crossing) -> int:
        """Stride of the features that a crossing tensor is written from."""
        return min(crossing.stride, self.coarsest)

    def forward(self, latent: Tensor) -> list[Tensor]:
        """(B, channels, H, W) to the crossing tensors, in their order."""
        x = self.summary(self.enter(latent))
        features = {}
        for stride, level in self.levels.items():
            features[int(stride)] = x = level(x)
        return [self.writers[each.name](features[self._source(each)]) for each in self.crossing]
