"""What a latent costs in bits: probabilities of its whole numbers, learned with the network.

A symbol q of a channel has the probability that a mixture of logistic densities gives to the
interval from q - 1/2 to q + 1/2. With uniform noise in place of rounding the same formula is a
differentiable bound of the code length (Ballé et al., 2017). These priors guide the training; the
codec has tables of its own, fitted to the symbols of the trained network.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Prior = Literal["factorised", "context"]

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
    """Mixtures moved and stretched by what the symbols above and to the left say.

    The decoder comes to a place row by row, and has by then all channels of the places before it.

    Args:
        channels: Channels of the latent.
        hidden: Channels of the layer that looks at the neighbours.
        reach: How many rows up, and columns to either side, it sees.
    """

    def __init__(self, channels: int, hidden: int = 32, reach: int = 2) -> None:
        super().__init__()
        self.mixture = MixturePrior(channels)
        self.before: Tensor
        size = 2 * reach + 1
        self.neighbours = nn.Conv2d(channels, hidden, size, padding=reach)
        before = torch.zeros(size, size)
        before[:reach] = 1
        before[reach, :reach] = 1
        self.register_buffer("before", before, persistent=False)
        self.moves = nn.Conv2d(hidden, 2 * channels, 1)
        nn.init.zeros_(self.moves.weight)  # starts as its mixture
        nn.init.zeros_(self.moves.bias)  # type: ignore[arg-type]

    def forward(self, latent: Tensor, seen: Tensor) -> Tensor:
        """Bits of every element; see `MixturePrior.forward`."""
        weight = self.neighbours.weight * self.before
        hidden = F.conv2d(seen, weight, self.neighbours.bias, padding=self.neighbours.padding)
        shift, log_stretch = self.moves(F.relu(hidden)).chunk(2, 1)
        return self.mixture.bits(latent, shift, log_stretch.clamp(-4, 4))


def make_prior(kind: Prior, channels: int) -> MixturePrior | ContextPrior:
    """A prior by its name."""
    return MixturePrior(channels) if kind == "factorised" else ContextPrior(channels)


def bytes_of(bits: Tensor) -> Tensor:
    """Ideal code length of each image, in bytes: (B,) from (B, C, H, W) bits."""
    return bits.sum((1, 2, 3)) / 8
