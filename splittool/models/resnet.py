"""The dilated ResNet-50 that PSPNet stands on (He et al., 2016; Yu et al., 2017).

Modules have torchvision's names, so that its weights fit as they are.
"""

from collections.abc import Sequence

from torch import Tensor, nn

EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut.

    Args:
        inputs: Channels in.
        width: Channels of the 3x3 convolution; a quarter of the channels out.
        stride: Stride of the 3x3 convolution and the shortcut.
        dilation: Dilation of the 3x3 convolution.
    """

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if stride > 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 4 * width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        activated: Tensor = self.relu(y)
        return activated


class DilatedResNet(nn.Module):
    """A ResNet whose last two stages keep their size and widen their view instead.

    Attributes:
        stride: Height and width of the input must be multiples of it.
        channels: Channels of the output.

    Args:
        widths: Channels of the 3x3 convolutions of each stage.
        blocks: Bottlenecks of each stage.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        if len(widths) != 4:
            raise ValueError(f"it has 4 widths, not {len(widths)}")
        self.stride = 8
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool_1 = nn.MaxPool2d(3, 2, 1)
        self.channels = widths[0]
        for stage, (width, number) in enumerate(zip(widths, blocks, strict=True), start=1):
            stride, dilation = {1: (1, 1), 2: (2, 1), 3: (1, 2), 4: (1, 4)}[stage]
            self.add_module(f"layer{stage}", self._stage(width, number, stride, dilation))

    def _stage(self, width: int, number: int, stride: int, dilation: int) -> nn.Sequential:
        stage = nn.Sequential()
        for block in range(number):
            stage.append(Bottleneck(self.channels, width, 1 if block else stride, dilation))
            self.channels = EXPANSION * width
        return stage

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, channels, H / 8, W / 8)."""
        x = self.maxpool_1(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        return x
