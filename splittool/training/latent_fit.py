"""A model of codec `learned`, trained on the symbols of some latents.

The loss is the length of the code: the bits of each decision that the codec makes (see
`splittool.codec.latent_walk`). The network is trained in floats, and its weights are then rounded
to those of the model.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from splittool.codec import rans
from splittool.codec.latent_model import (
    DECISIONS,
    GROUPS,
    HIDDEN,
    LARGE,
    LARGEST,
    MOST_HIDDEN,
    SMALL,
    WEIGHT,
    LatentModel,
)
from splittool.codec.latents import (
    BORDER,
    NEIGHBOURS,
    PASSES,
    neighbours_of,
    places_of,
    taken,
)
from splittool.errors import InputError
from splittool.progress import Progress, nobody

STEPS = 1500  # of each pass
HIDDEN_VALUES = 32
_BATCH = 2048  # places
FEWEST_STEPS = 300  # unless fewer are asked for,
_EPOCHS = 30  # and as many more as this takes
_MOST_PLACES = 1_000_000  # that a network is trained on
_RATE = 6e-3
_RIDGE = 10.0  # keeps weights small where few places speak for them
_WEIGHT_OF_EVEN = 2.0  # flags that a table is thought to have seen before it counts


class Places(NamedTuple):
    """What is known at the places of a pass, and what is there.

    Attributes:
        around: (places, C, neighbours) from -2 to 2.
        differences: (places, C) symbols less the usual ones.
    """

    around: NDArray[np.int8]
    differences: NDArray[np.int32]


def fit(
    symbols: NDArray[np.integer],
    groups: int = GROUPS,
    steps: int = STEPS,
    progress: Progress = nobody,
) -> LatentModel:
    """A model for latents like these; it takes up to two minutes, and few latents take seconds.

    Args:
        symbols: (N, C, H, W) whole numbers from -32768 to 32767.
        groups: Groups of channels that are coded one after the other; more see more, and take
            longer to code.
        steps: Steps of training of each pass, at most; fewer where there are few places.
        progress: Told of each step, as a part of a pass.

    Raises:
        InputError: The array is empty, does not have four dimensions, or holds larger numbers.
    """
    if symbols.ndim != 4 or not symbols.size:
        raise InputError(f"latents of shape {symbols.shape} are not (N, C, H, W) symbols")
    if symbols.min() < -32768 or symbols.max() > 32767:
        raise InputError("latents hold symbols that 16 bits with a sign do not")
    channels = symbols.shape[1]
    usual = np.array([_most_frequent(symbols[:, c]) for c in range(channels)], np.int16)
    differences = symbols.astype(np.int32) - usual[:, None, None]
    groups = min(max(groups, 1), channels)
    networks, quiet = [], []
    size = differences[:, 0].size
    for number, places in enumerate(_passes(differences[:: -(-size // _MOST_PLACES)])):
        is_quiet = ~np.logical_or.reduce(places.around != 0, axis=(1, 2))
        some = np.logical_or.reduce(places.differences != 0, axis=1)
        quiet.append(_share(some[is_quiet]))
        used = ~is_quiet | some
        places = Places(places.around[used], places.differences[used])
        networks.append(_trained(places, groups, steps, partial(_tell, progress, number)).weights())
    first, second = (np.stack(each) for each in zip(*networks, strict=True))
    return LatentModel(
        usual, groups, first, second, _buckets(np.array(quiet)), _larger(differences)
    )


def _most_frequent(symbols: NDArray[np.integer]) -> int:
    values, counts = np.unique(symbols, return_counts=True)
    return int(values.tolist()[int(np.argmax(counts))])


def _passes(differences: NDArray[np.int32]) -> Iterator[Places]:
    channels, height, width = differences.shape[1:]
    border = ((0, 0), (0, 0), (BORDER, BORDER), (BORDER, BORDER))
    small = np.pad(np.clip(differences, -SMALL, SMALL).astype(np.int8), border)
    flat = small.reshape(len(small), channels, -1)
    for each in PASSES:
        around = flat[:, :, neighbours_of(each, places_of(each, height, width), width)]
        if not each.neighbours:
            around = np.zeros((*around.shape[:2], NEIGHBOURS, around.shape[3]), np.int8)
        yield Places(
            around.transpose(0, 3, 1, 2).reshape(-1, channels, NEIGHBOURS),
            taken(differences, each).transpose(0, 2, 1).reshape(-1, channels),
        )


class _Decisions(nn.Module):
    """The network of a pass, in floats, with values and weights that the model can hold."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * NEIGHBOURS * channels, HIDDEN_VALUES)
        self.logits = nn.Linear(HIDDEN_VALUES, DECISIONS * channels)
        self.beside = nn.Parameter(torch.zeros(DECISIONS * channels, 2 * channels))
        group = torch.tensor_split(torch.arange(channels), groups)
        of = torch.cat([torch.full((len(each),), index) for index, each in enumerate(group)])
        self.earlier = (of[:, None] > of).float().repeat(DECISIONS, 2)

    def forward(self, around: Tensor, here: Tensor) -> Tensor:
        """Logits (places, decisions, C).

        Args:
            around: (places, C, neighbours) from -2 to 2.
            here: (places, C) from -2 to 2, of which each channel sees those of earlier groups.
        """
        around = around.flatten(1)
        hidden = self.hidden(torch.cat([around, around.abs()], 1))
        hidden = F.relu(hidden).clamp(max=MOST_HIDDEN / HIDDEN)
        known = torch.cat([here, here.abs()], 1)
        logits: Tensor = self.logits(hidden) + F.linear(known, self.beside * self.earlier)
        return logits.reshape(len(around), DECISIONS, -1)

    def start(self, differences: Tensor) -> None:
        """Begin with how often each decision is yes among (places, C) differences."""
        flags, asked = _decisions(differences)
        shares = (flags.sum(0) + 0.5) / (asked.sum(0) + 1)
        with torch.no_grad():
            self.logits.bias.copy_(torch.logit(shares).flatten())

    def squares(self) -> Tensor:
        """The sum of the squared weights."""
        weights = (self.hidden.weight, self.logits.weight, self.beside)
        return torch.stack([weight.square().sum() for weight in weights]).sum()

    def weights(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        """Those of the model: (hidden, 24 C + 1) and (decisions, C, hidden + 2 C + 1)."""
        first = torch.cat([self.hidden.weight, self.hidden.bias[:, None]], 1)
        second = torch.cat(
            [self.logits.weight, self.beside * self.earlier, self.logits.bias[:, None]], 1
        )
        return _whole(first), _whole(second.reshape(DECISIONS, -1, second.shape[1]))


def _whole(weights: Tensor) -> NDArray[np.int16]:
    scaled = weights.detach().double() * WEIGHT
    found: NDArray[np.int16] = scaled.round().clamp(-32767, 32767).to(torch.int16).numpy()
    return found


def _tell(progress: Progress, number: int, part: float) -> None:
    """How far all passes are, from how far one of them is."""
    progress(number + part, len(PASSES), "coding model")


def _trained(
    places: Places, groups: int, steps: int, progress: Callable[[float], None]
) -> _Decisions:
    """By Adam with one rise and fall of its rate; the same places give the same network."""
    count, channels = places.differences.shape
    steps = min(steps, FEWEST_STEPS + _EPOCHS * count // _BATCH) if count else 0
    around, differences = map(torch.from_numpy, places)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _Decisions(channels, groups)
        network.start(differences)
        optimizer = torch.optim.Adam(network.parameters(), _RATE)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=max(steps, 1))
        for step in range(steps):
            which = torch.randint(count, (min(_BATCH, count),))
            target = differences[which].float()
            logits = network(around[which].float(), target.clamp(-SMALL, SMALL))
            loss = _bits(logits, target) / len(which) + _RIDGE * network.squares() / count
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            progress((step + 1) / steps)
    progress(1)
    return network


def _bits(logits: Tensor, differences: Tensor) -> Tensor:
    """The length of the code of (places, C) differences, but for the largest."""
    flags, asked = _decisions(differences)
    bits = F.binary_cross_entropy_with_logits(logits, flags, reduction="none")
    return (bits * asked).sum() / math.log(2)


def _decisions(differences: Tensor) -> tuple[Tensor, Tensor]:
    """(places, decisions, C) flags, and 1 where they are asked for, else 0."""
    unusual, larger, further = (differences.abs() > least for least in range(LARGE))
    flags = torch.stack([unusual, differences < 0, larger, further], 1)
    asked = torch.stack([torch.ones_like(unusual), unusual, unusual, larger], 1)
    return flags.float(), asked.float()


def _larger(differences: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(C, 13) buckets: how often a difference of 3, 4, ... is larger."""
    sizes = np.abs(differences).transpose(1, 0, 2, 3).reshape(differences.shape[1], -1)
    least = range(LARGE, LARGEST)
    everywhere = [_share(sizes[sizes >= size] > size) for size in least]
    found = [
        [
            _share(row[row >= size] > size, prior)
            for size, prior in zip(least, everywhere, strict=True)
        ]
        for row in sizes
    ]
    return _buckets(np.array(found))


def _share(flags: NDArray[np.bool_], prior: float = 0.5) -> float:
    """How likely a flag is, and without any of them."""
    return float((flags.sum() + _WEIGHT_OF_EVEN * prior) / (len(flags) + _WEIGHT_OF_EVEN))


def _buckets(likely: NDArray[np.float64]) -> NDArray[np.uint8]:
    logits = np.log(likely / (1 - likely))
    buckets: NDArray[np.float64] = np.clip(np.rint(2 * logits) + rans.EVEN, 0, rans.BUCKETS - 1)
    return buckets.astype(np.uint8)
