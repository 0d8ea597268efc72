"""What a latent costs in bits: probabilities of its whole numbers, learned with the network.

A symbol q of a channel has the probability that a mixture of logistic densities gives to the
interval from q - 1/2 to q + 1/2. With uniform noise in place of rounding the same formula is a
differentiable bound of the code length (Ballé et al., 2017). These priors guide the training; the
codec has a model of its own, trained on the symbols of the trained network.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Grid = tuple[int, int, int]  # first row, first column, step in both

LEAST = 1e-9  # a probability below costs no more: 30 bits a symbol
COMPONENTS = 3


class MixturePrior(nn.Module):
    """A mixture of logistics for each channel, the same at every place.

    Args:
        channels: Channels of the latent.
        components: Logistics of each channel.
    """

    def __init__(self, channels: int, components: int = COMPONENTS) -> None:
        super().__init__()
        shape = (channels, components)
        self.weight = nn.Parameter(torch.zeros(shape))
        self.mean = nn.Parameter(torch.linspace(-2, 2, components).repeat(channels, 1))
        self.log_scale = nn.Parameter(torch.full(shape, 0.5))

    def forward(self, latent: Tensor, seen: Tensor) -> Tensor:
        """Bits of every element, (B, C, H, W).

        Args:
            latent: (B, C, H, W) symbols, or the latent with noise.
            seen: (B, C, H, W) symbols that the decoder has when it comes to a place; not used here.
        """
        return self.bits(latent, torch.zeros_like(latent), torch.zeros_like(latent))

    def bits(self, latent: Tensor, shift: Tensor, log_stretch: Tensor) -> Tensor:
        """Bits under the mixtures, moved by `shift` and stretched by exp(`log_stretch`)."""
        centred = (latent - shift)[..., None] - self.mean[:, None, None]
        narrow = torch.exp(-self.log_scale[:, None, None] - log_stretch[..., None])
        upper, lower = (centred + 0.5) * narrow, (centred - 0.5) * narrow
        # Far out both sigmoids are 1 and their difference is lost: mirror, so that both are near 0.
        side = torch.where(centred < 0, 1.0, -1.0)
        each = (torch.sigmoid(side * upper) - torch.sigmoid(side * lower)).abs()
        probability = (each * torch.softmax(self.weight, 1)[:, None, None]).sum(-1)
        return -torch.log2(probability.clamp(min=LEAST))


class ContextPrior(nn.Module):
    """Mixtures moved and stretched by what the decoder has when it comes to a place.

    The decoder takes the places in several passes, and the channels of a place in groups. It knows
    the neighbours that earlier passes gave, and at the place itself the earlier groups. As the
    codec's does, this knowledge ends at a distance of two: whether a symbol is -2 or less, -1, 0, 1
    or 2 and more.

    Args:
        channels: Channels of the latent.
        passes: The places of each pass, as grids: (first row, first column, step in both).
        groups: Groups of channels, coded one after the other.
        hidden: Channels of the layer that looks at the neighbours.
        reach: How many rows and columns to each side it sees.
    """

    def __init__(
        self,
        channels: int,
        passes: Sequence[Sequence[Grid]],
        groups: int = 3,
        hidden: int = 32,
        reach: int = 2,
    ) -> None:
        super().__init__()
        self.mixture = MixturePrior(channels)
        self.passes = passes
        number = len(passes)
        self.neighbours = nn.Conv2d(
            2 * number * channels, number * hidden, 2 * reach + 1, padding=reach, groups=number
        )
        self.moves = nn.Conv2d(hidden, 2 * channels, 1)
        self.beside = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        for parameter in (*self.moves.parameters(), *self.beside.parameters()):
            nn.init.zeros_(parameter)  # starts as its mixture
        group = torch.tensor_split(torch.arange(channels), min(groups, channels))
        of = torch.cat([torch.full((len(each),), index) for index, each in enumerate(group)])
        self.earlier: Tensor
        earlier = (of[:, None] > of).float().repeat(2, 1)[..., None, None]
        self.register_buffer("earlier", earlier, persistent=False)

    def forward(self, latent: Tensor, seen: Tensor) -> Tensor:
        """Bits of every element; see `MixturePrior.forward`."""
        here = self._places(seen)
        before = here.cumsum(0) - here
        around = torch.cat([seen.clamp(-2, 2), seen.abs().clamp(max=2)], 1)
        known = (around[:, None] * before[:, None]).flatten(1, 2)
        hidden = torch.stack(F.relu(self.neighbours(known)).chunk(len(self.passes), 1), 1)
        moves = self.moves((hidden * here[:, None]).sum(1))
        moves = moves + F.conv2d(seen.abs().clamp(max=1), self.beside.weight * self.earlier)
        shift, log_stretch = moves.chunk(2, 1)
        return self.mixture.bits(latent, shift, log_stretch.clamp(-4, 4))

    def _places(self, like: Tensor) -> Tensor:
        """(passes, H, W): 1 at the places of each pass."""
        places = like.new_zeros(len(self.passes), *like.shape[-2:])
        for index, grids in enumerate(self.passes):
            for row, column, step in grids:
                places[index, row::step, column::step] = 1
        return places


def bytes_of(bits: Tensor) -> Tensor:
    """Ideal code length of each image, in bytes: (B,) from (B, C, H, W) bits."""
    return bits.sum((1, 2, 3)) / 8
