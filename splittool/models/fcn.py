"""FCN-32s, -16s and -8s (Long, Shelhamer and Darrell, 2015) on VGG-16 (Simonyan, Zisserman, 2015).

The fully connected layers of VGG-16 become convolutions. Where the authors pad the image by 100
pixels so that the 7x7 layer fits small images, and crop at the end, that layer is padded here. All
sizes are then those of the image divided by powers of two, and nothing is cropped.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from splittool.models.segmenter import Activation, ConvBlock, Norm, make_activation

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)  # convolutions of each level
FULLY_CONNECTED = 4096


class FCN(nn.Module):
    """VGG-16, class scores at 1/32 of the image, and skip fusions on the way up.

    Args:
        finest: 32 scales the scores up at once, 16 first adds those of the fourth pooling, 8 also
            those of the third.
        classes: Number of output maps.
        widths: Channels of each level.
        fully_connected: Channels of fc6 and fc7.
        activation: "relu" is the published one.
        norm: "none" is the published one; "batch" is VGG-16 with batch normalisation.
    """

    def __init__(
        self,
        finest: int,
        classes: int,
        widths: Sequence[int] = WIDTHS,
        fully_connected: int = FULLY_CONNECTED,
        activation: Activation = "relu",
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        if len(widths) != len(WIDTHS):
            raise ValueError(f"it has {len(WIDTHS)} widths, not {len(widths)}")
        self.stride = 2 ** len(WIDTHS)
        self.split_points = tuple(f"maxpool_{level}" for level in range(1, len(WIDTHS) + 1))
        self.backbone_modules = ("encoder_", "fc6", "fc7")
        # From coarse to fine, the levels whose pooled tensors are scored as well.
        self.fused = {32: (), 16: (4,), 8: (4, 3)}[finest]
        channels = 3
        for level, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True), start=1):
            block = ConvBlock(channels, width, activation, norm, depth)
            self.add_module(f"encoder_{level}", block)
            self.add_module(f"maxpool_{level}", nn.MaxPool2d(2))
            channels = width
        self.fc6 = nn.Sequential(
            nn.Conv2d(channels, fully_connected, 7, padding=3),
            make_activation(activation),
            nn.Dropout2d(),
        )
        self.fc7 = nn.Sequential(
            nn.Conv2d(fully_connected, fully_connected, 1),
            make_activation(activation),
            nn.Dropout2d(),
        )
        self.classifier = nn.Conv2d(fully_connected, classes, 1)
        for level in self.fused:
            self.add_module(f"score_{level}", nn.Conv2d(widths[level - 1], classes, 1))
            self.add_module(f"up_{level}", _upsampling(classes, 2))
        self.up = _upsampling(classes, finest)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, classes, H, W) logits; H and W are multiples of `stride`."""
        pooled: dict[int, Tensor] = {}
        for level in range(1, len(WIDTHS) + 1):
            x = self.get_submodule(f"encoder_{level}")(x)
            pooled[level] = x = self.get_submodule(f"maxpool_{level}")(x)
        x = self.classifier(self.fc7(self.fc6(x)))
        for level in self.fused:
            score = self.get_submodule(f"score_{level}")(pooled[level])
            x = self.get_submodule(f"up_{level}")(x) + score
        logits: Tensor = self.up(x)
        return logits

    def backbone_state(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of torchvision's vgg16 or vgg16_bn to the network's own names.

        Its layers are numbered, so convolutions are matched in order. What has no counterpart is
        left out: normalisation on one side only does not fit.
        """
        own = [name for name, layer in self.named_modules() if _is_encoder_conv(name, layer)]
        theirs = sorted(
            int(name.split(".")[1])
            for name, tensor in state.items()
            if name.startswith("features.") and tensor.ndim == 4
        )
        found: dict[str, Tensor] = {}
        for name, number in zip(own, theirs, strict=False):
            found[f"{name}.weight"] = state[f"features.{number}.weight"]
            found |= _after_convolution(state, number, name)
        for number, layer in ((0, "fc6"), (3, "fc7")):
            for kind in ("weight", "bias"):
                tensor = state.get(f"classifier.{number}.{kind}")
                if tensor is not None:
                    shape = self.get_submodule(f"{layer}.0").get_parameter(kind).shape
                    fits = tensor.numel() == shape.numel()
                    found[f"{layer}.0.{kind}"] = tensor.reshape(shape) if fits else tensor
        return found


def _is_encoder_conv(name: str, layer: nn.Module) -> bool:
    return name.startswith("encoder_") and isinstance(layer, nn.Conv2d)


def _after_convolution(state: Mapping[str, Tensor], number: int, name: str) -> dict[str, Tensor]:
    """The bias of a convolution, or the normalisation behind it, which takes up the bias."""
    bias = state[f"features.{number}.bias"]
    if f"features.{number + 1}.running_mean" not in state:
        return {f"{name}.bias": bias}
    norm = name.replace("conv", "norm")
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    found = {f"{norm}.{kind}": state[f"features.{number + 1}.{kind}"] for kind in kinds}
    found[f"{norm}.running_mean"] = found[f"{norm}.running_mean"] - bias
    return found


def _upsampling(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution that starts as bilinear interpolation, and may learn better."""
    size = 2 * factor
    layer = nn.ConvTranspose2d(
        channels, channels, size, stride=factor, padding=factor // 2, bias=False
    )
    line = 1 - (torch.arange(size) - (size - 1) / 2).abs() / factor
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = line[:, None] * line
    return layer
