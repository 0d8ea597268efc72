"""What networks with a latent share: the encoder, the rounding, and the blocks of the cloud side.

Whatever crosses a cut of an ordinary network costs more bytes than the image. Here one tensor
crosses, `latent`: a few channels at a fraction of the resolution, rounded to whole numbers, which
training can price in bits (Ballé et al., 2017) and a codec can then send for about that price.

The encoder is convolution, batch normalisation and ReLU, which devices run fast. It starts with a
strided convolution, so that nothing is computed at the resolution of the image, and it ends with a
convolution: the rounding is the first operation of the cloud side, and a host that has already
rounded the latent changes nothing.
"""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from splittool.models.segmenter import Activation, ConvBlock, Norm, make_activation
from splittool.vocabulary import LATENT, LATENT_LARGEST

WIDTHS = (24, 48)
# By the number of levels; with 24, 48 and 96 channels, a quarter of a U-Net's work each.
DEPTHS = {1: (4,), 2: (1, 3), 3: (1, 2, 1)}
CLOUD_DEPTHS = (2, 2, 3)  # of the levels down to a sixteenth of the image's resolution
BOTTLENECK = 12  # channels of the latent
PATCH = 4  # the first level is at a quarter of the image's resolution
GAIN = 4.0  # starts the latent at a spread of several whole numbers
LIMIT = LATENT_LARGEST


class LatentNetwork(nn.Module):
    """A network whose only crossing tensor is a latent.

    The first level of the encoder is at a quarter of the image's resolution, each further one at
    half of the level before, the latent at that of the last.

    Attributes:
        latent_stride: Pixels of the image, in both directions, for one of the latent.

    Args:
        widths: Channels of each level of the encoder.
        depths: Residual blocks of each level.
        bottleneck: Channels of the latent.
        activation: "relu" fuses into VPU hardware stages.
        norm: "batch" folds into the convolutions at export.
    """

    split_points = (LATENT,)

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] = DEPTHS[len(WIDTHS)],
        bottleneck: int = BOTTLENECK,
        activation: Activation = "relu",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        self.latent_stride = PATCH * 2 ** (len(widths) - 1)
        self.encoder = nn.Sequential()
        channels, step = 3, PATCH
        for level, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
            down = make_patches(channels, width, step, activation, norm)
            self.encoder.add_module(f"down_{level}", down)
            self.encoder.add_module(f"blocks_{level}", make_blocks(width, depth, activation, norm))
            channels, step = width, 2
        self.latent = GainConv(channels, bottleneck)

    def encode(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to the latent before rounding, (B, bottleneck, H / s, W / s).

        H and W are multiples of s, the stride of the latent.
        """
        latent: Tensor = self.latent(self.encoder(x))
        return latent

    @abstractmethod
    def decode(self, latent: Tensor) -> Tensor:
        """A latent, rounded or as noisy as rounding makes it, to (B, classes, H, W) logits."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, classes, H, W) logits; H and W are multiples of `stride`."""
        latent = self.encode(x)
        return self.decode(straight_through(latent) if self.training else symbols(latent))


def symbols(latent: Tensor) -> Tensor:
    """The whole numbers that are sent, halves to even, as float."""
    return latent.round().clamp(-LIMIT, LIMIT)


def straight_through(latent: Tensor) -> Tensor:
    """`symbols`, with the gradient of the latent itself (Bengio et al., 2013)."""
    return latent + (symbols(latent) - latent).detach()


class GainConv(nn.Conv2d):
    """A 1x1 convolution times a learned gain for each output channel.

    The gain sets how finely a channel is rounded. It multiplies the weights and not the result, so
    that the exported head ends with the convolution.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)
        self.gain = nn.Parameter(torch.full((outputs,), GAIN))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's own name
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        assert self.bias is not None
        weight = self.weight * self.gain[:, None, None, None]
        return F.conv2d(input, weight, self.bias * self.gain)


class Summary(nn.Module):
    """Add a summary of the whole image to every pixel: its mean, after two small layers."""

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            make_activation(activation),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        added: Tensor = x + self.layers(x.mean((2, 3), keepdim=True))
        return added


def make_summary(
    channels: int, depths: Sequence[int], activation: Activation, norm: Norm
) -> nn.Module:
    """A summary of the whole image, taken below the latent's resolution.

    Args:
        channels: Channels at the latent's resolution.
        depths: Residual blocks of each level below it; of none, the summary is taken there.
        activation: Between the layers.
        norm: Of the convolutions.
    """
    if not depths:
        return Summary(channels, activation)
    inner = make_summary(2 * channels, depths[1:], activation, norm)
    return Below(channels, depths[0], inner, activation, norm)


class Below(nn.Module):
    """Go down to half the resolution and twice the channels, and add what is found there.

    Args:
        channels: Channels of what comes in.
        depth: Residual blocks below.
        inner: What comes after them, of twice the channels.
        activation: Between the layers.
        norm: Of the convolutions.
    """

    def __init__(
        self, channels: int, depth: int, inner: nn.Module, activation: Activation, norm: Norm
    ) -> None:
        super().__init__()
        self.down = make_patches(channels, 2 * channels, 2, activation, norm)
        self.blocks = make_blocks(2 * channels, depth, activation, norm)
        self.inner = inner
        self.up = make_doubling(2 * channels, channels, activation, norm)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same; H and W are even."""
        added: Tensor = x + self.up(self.inner(self.blocks(self.down(x))))
        return added


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the sum is activated."""

    def __init__(self, channels: int, activation: Activation, norm: Norm) -> None:
        super().__init__()
        *kept, _ = ConvBlock(channels, channels, activation, norm).named_children()
        self.layers = nn.Sequential(OrderedDict(kept))
        self.activation = make_activation(activation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        activated: Tensor = self.activation(x + self.layers(x))
        return activated


def make_blocks(channels: int, depth: int, activation: Activation, norm: Norm) -> nn.Sequential:
    """Residual blocks, one after the other."""
    return nn.Sequential(*(ResidualBlock(channels, activation, norm) for _ in range(depth)))


def make_patches(
    inputs: int, outputs: int, size: int, activation: Activation, norm: Norm
) -> nn.Sequential:
    """A strided convolution that turns each patch of size x size pixels into one pixel."""
    conv = nn.Conv2d(inputs, outputs, size, stride=size, bias=norm == "none")
    return _normalised(conv, activation, norm)


def make_doubling(inputs: int, outputs: int, activation: Activation, norm: Norm) -> nn.Sequential:
    """A transposed convolution that turns each pixel into 2x2, with foldable normalisation."""
    conv = nn.Conv2d(inputs, 4 * outputs, 1, bias=norm == "none")
    return _normalised(conv, activation, norm).append(nn.PixelShuffle(2))


def _normalised(conv: nn.Conv2d, activation: Activation, norm: Norm) -> nn.Sequential:
    layers: list[nn.Module] = [conv]
    if norm == "batch":
        layers.append(nn.BatchNorm2d(conv.out_channels))
    return nn.Sequential(*layers, make_activation(activation))
