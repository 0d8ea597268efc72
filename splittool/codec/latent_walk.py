"""The order of decisions of codec `learned`, which is the same for writer and reader.

Each symbol is a few yes-or-no decisions: is it another than its channel's usual one, is it below,
is it further away. How likely each is depends on symbols that were coded before. Every number that
decides is whole, or a float that holds a whole number too small to be rounded, so that two machines
never disagree.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from splittool.codec.latent_model import (
    LARGEST,
    LEVELS,
    REST_BITS,
    SIGNS,
    SIZES,
    SMALL,
    LatentModel,
)
from splittool.codec.latents import BORDER, PASSES, Pass, around, places_of, taken

Ints = NDArray[np.int32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]


class Coding(Protocol):
    """What is done with the decisions: they are written, read, counted or priced."""

    def __call__(self, kind: str, contexts: Indices, flags: Flags) -> Flags:
        """Take or give some flags.

        Args:
            kind: The table: `any`, `unusual`, `negative`, `larger` or `even`.
            contexts: The place of each flag in the table.
            flags: The flags to write; a reader ignores them.

        Returns:
            The flags, as written or read.
        """


class Walk:
    """One pass over a latent, which is the same for writer and reader.

    Args:
        model: What both ends know.
        code: What is done with each decision.
    """

    def __init__(self, model: LatentModel, code: Coding) -> None:
        self._model = model
        self._code = code
        groups = np.array_split(np.arange(model.channels), model.groups)
        self._groups = [slice(int(group[0]), int(group[-1]) + 1) for group in groups]

    def run(self, differences: Ints) -> Ints:
        """Go through all symbols.

        Args:
            differences: (C, H, W) symbols less the usual ones; a reader gives zeros.

        Returns:
            The differences, as written or read.
        """
        channels, height, width = differences.shape
        self._pitch = width + 2 * BORDER
        plane = (height + 2 * BORDER) * self._pitch
        self._found = np.zeros((channels, plane), np.int32)
        self._small = np.zeros((channels, plane), np.uint8)
        for number, each in enumerate(PASSES):
            places = places_of(each, height, width)
            if len(places):
                self._pass(number, places, taken(differences, each))
        found = self._found.reshape(channels, -1, self._pitch)
        return found[:, BORDER : BORDER + height, BORDER : BORDER + width]

    def _pass(self, number: int, places: Indices, truth: Ints) -> None:
        each, model = PASSES[number], self._model
        small = self._small.reshape(model.channels, -1, self._pitch)
        near, far = neighbours(small, each, len(places))
        # Most places of a sparse latent have nothing around them: one flag for all channels first.
        quiet = np.flatnonzero(are_quiet(near, far))
        given = truth != 0
        used = np.ones(len(places), bool)
        some: Flags = np.logical_or.reduce(given, axis=0)[quiet]
        used[quiet] = self._code("any", np.full(len(quiet), number), some)
        which = np.flatnonzero(used)
        features = features_of(near[:, which], far[:, which], model.exact_weights.dtype)
        unusual = self._unusual(number, features, given[:, which])
        channel, at = np.nonzero(unusual)
        place = places[which[at]]
        values = self._values(channel, place, each, truth[channel, which[at]])
        self._found[channel, place] = values
        self._small[channel, place] = np.minimum(np.abs(values), SMALL)

    def _unusual(self, number: int, features: NDArray[np.floating], given: Flags) -> Flags:
        """(C, places): which symbols are not the usual ones."""
        channels = self._model.channels
        unusual = np.empty(given.shape, bool)
        for group in self._groups:
            levels = level_of(self._model.exact_weights[number, group] @ features)
            rows = number * channels + np.arange(channels)[group, None]
            contexts = (rows * LEVELS + levels).reshape(-1)
            flags = self._code("unusual", contexts, given[group].reshape(-1))
            unusual[group] = flags.reshape(levels.shape)
            features[2 * channels + group.start : 2 * channels + group.stop] = unusual[group]
        return unusual

    def _values(self, channel: Indices, place: Indices, each: Pass, given: Ints) -> Ints:
        """The differences that are not 0, of one pass."""
        signs, sizes = self._near(channel, place, each)
        negative = self._code("negative", channel * SIGNS + signs, given < 0)
        size = self._sizes(channel * (LARGEST - 1) * SIZES + sizes, np.abs(given))
        return np.where(negative, -size, size)

    def _near(self, channel: Indices, place: Indices, each: Pass) -> tuple[Indices, Indices]:
        """What the near neighbours in the same channel are mostly like: their sign, their size."""
        if not each.stride:
            return np.ones(len(channel), np.intp), np.zeros(len(channel), np.intp)
        up, left = each.stride * self._pitch, each.stride
        first, second = (up + left, up - left) if each.diagonal else (up, left)
        offsets = (first, second, -first, -second)
        near = np.stack([self._found[channel, place + by] for by in offsets])
        total = np.minimum(np.abs(near), LARGEST - 1).sum(axis=0)
        sizes = np.searchsorted([1, 2, 4, 8, 16, 32], total, side="right")
        return np.sign(np.sign(near).sum(axis=0)).astype(np.intp) + 1, sizes

    def _sizes(self, contexts: Indices, given: Ints) -> Ints:
        """How far each unusual symbol is from the usual one, 1 or more."""
        size = np.ones(len(given), np.int32)
        open_ = np.arange(len(given))
        for least in range(1, LARGEST):
            if not len(open_):
                return size
            step = contexts[open_] + (least - 1) * SIZES
            open_ = open_[self._code("larger", step, given[open_] > least)]
            size[open_] += 1
        size[open_] += self._rest(given[open_] - LARGEST)
        return size

    def _rest(self, given: Ints) -> Ints:
        """Whole numbers from 0 in Exp-Golomb code: how many bits one more has, then these."""
        lengths = np.zeros(len(given), np.int32)
        open_ = np.arange(len(given))
        for length in range(REST_BITS):
            if len(open_):
                open_ = open_[self._even(given[open_] + 1 >= 2 << length)]
                lengths[open_] += 1
        found = np.ones(len(given), np.int32)
        for bit in range(int(lengths.max(initial=0)) - 1, -1, -1):
            which = np.flatnonzero(lengths > bit)
            found[which] = found[which] * 2 + self._even((given[which] + 1 >> bit) % 2 == 1)
        return found - 1

    def _even(self, flags: Flags) -> Flags:
        return self._code("even", np.zeros(len(flags), np.intp), flags)


def neighbours(
    small: NDArray[np.uint8], each: Pass, places: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(C, places) and (C, places): sums of the near and of the far neighbours."""
    if not each.stride:
        none = np.zeros((len(small), places), np.uint8)
        return none, none
    near, far = around(small, each)
    return taken(near, each), taken(far, each)


def are_quiet(near: NDArray[np.uint8], far: NDArray[np.uint8]) -> Flags:
    """(places,): where no neighbour in any channel is unusual."""
    around: Flags = np.bitwise_or.reduce(near | far, axis=0) == 0
    return around


def features_of(
    near: NDArray[np.uint8], far: NDArray[np.uint8], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """(3 C + 2, places): near and far neighbours, room for the same place, quiet or not, 1."""
    channels, places = near.shape
    features = np.zeros((3 * channels + 2, places), dtype)
    features[:channels] = near
    features[channels : 2 * channels] = far
    features[-2] = are_quiet(near, far)
    features[-1] = 1
    return features


def level_of(scores: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Levels, 0 to 31, of scores in 1/256 of a logit: each is half a logit wide."""
    scaled = np.add(scores, 2048, out=scores)
    scaled *= 1 / 128  # a power of two, so that nothing is rounded
    found: NDArray[np.uint8] = np.clip(scaled, 0, LEVELS - 1, out=scaled).astype(np.uint8)
    return found
