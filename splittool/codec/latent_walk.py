"""The order of decisions of codec `learned`, which is the same for writer and reader.

Each symbol is a few yes-or-no decisions: is it another than its channel's usual one, is it below,
is it further away. How likely each is depends on symbols that were coded before. Every number that
decides is whole, or a float that holds a whole number too small to be rounded, so that two machines
never disagree.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.latent_model import (
    LARGE,
    LARGEST,
    REST_BITS,
    SMALL,
    Array,
    Indices,
    LatentModel,
)
from splittool.codec.latents import BORDER, PASSES, neighbours_of, places_of, taken

Ints = NDArray[np.int32]
Small = NDArray[np.int8]
Flags = NDArray[np.bool_]
Buckets = NDArray[np.uint8]

# What is done with decisions: flags and the buckets of their probabilities are taken, and the flags
# given back, as written or read; a reader ignores the flags it is given.
Coding = Callable[[Flags, Buckets], Flags]


class Walk:
    """One pass over a latent, which is the same for writer and reader.

    Args:
        model: What both ends know.
        code: What is done with each decision.
    """

    def __init__(self, model: LatentModel, code: Coding) -> None:
        self._model = model
        self._code = code

    def run(self, differences: Ints) -> Ints:
        """Go through all symbols.

        Args:
            differences: (C, H, W) symbols less the usual ones; a reader gives zeros.

        Returns:
            The differences, as written or read.
        """
        channels, height, width = differences.shape
        self._width = width
        plane = (height + 2 * BORDER) * (width + 2 * BORDER)
        self._found = np.zeros((channels, plane), np.int8)
        self._seen = np.zeros((channels, plane), np.int8)  # the same, no further than `SMALL`
        self._any = np.zeros(plane, bool)
        small = np.clip(differences, -LARGE, LARGE).astype(np.int8)
        for number, each in enumerate(PASSES):
            places = places_of(each, height, width)
            if len(places):
                self._pass(number, places, taken(small, each))
        inner = self._found.reshape(channels, height + 2 * BORDER, -1)
        inner = inner[:, BORDER : BORDER + height, BORDER : BORDER + width]
        found = inner.astype(np.int32)
        large = np.nonzero(np.abs(found) == LARGE)
        sizes = self._sizes(large[0], np.abs(differences[large]))
        found[large] = np.sign(found[large]) * sizes
        return found

    def _pass(self, number: int, places: Indices, truth: Small) -> None:
        model = self._model
        around = neighbours_of(PASSES[number], places, self._width)
        # Most places of a sparse latent have nothing around them: one flag for all channels first.
        quiet = np.flatnonzero(~self._any.take(around).any(axis=0))
        used = np.ones(len(places), bool)
        some: Flags = np.logical_or.reduce(truth != 0, axis=0)
        used[quiet] = self._code(some[quiet], np.full(len(quiet), model.any[number]))
        which = np.flatnonzero(used)
        if not len(which):
            return
        places, truth = places[which], truth[:, which]
        features = model.features(number, self._seen.take(around[:, which], axis=1))
        for group in model.channel_groups:
            found = self._values(number, group, features, truth[group])
            self._found[group, places] = found
            self._any[places] |= found.any(axis=0)
            small = np.minimum(np.maximum(found, -SMALL), SMALL)
            self._seen[group, places] = small
            model.add_known(features, group, small)

    def _values(self, number: int, group: slice, features: Array, given: Small) -> Small:
        """Differences of a group of channels, up to `LARGE`, which may be more.

        Args:
            number: The pass.
            group: The channels.
            features: Of the places.
            given: (channels, places) what a writer has.
        """
        shape, given = given.shape, given.reshape(-1)
        unusual = self._model.unusual(number, group, features).reshape(-1)
        at = np.flatnonzero(self._code(given != 0, unusual))
        found = np.zeros(len(given), np.int8)
        if len(at):
            channel, place = np.divmod(at, shape[1])
            buckets = self._model.further(number, group.start + channel, features[:, place])
            given = given[at]
            sizes = np.abs(given)
            both = np.concatenate([given < 0, sizes > 1])
            negative, larger = self._code(both, buckets[:2].reshape(-1)).reshape(2, -1)
            size = 1 + larger.astype(np.int8)
            size[larger] += self._code(sizes[larger] > SMALL, buckets[2, larger])
            found[at] = np.where(negative, -size, size)
        return found.reshape(shape)

    def _sizes(self, channel: Indices, given: Ints) -> Ints:
        """How far symbols are from the usual one, `LARGE` or more.

        Args:
            channel: The channel of each.
            given: How far a writer knows it to be.
        """
        sizes = np.full(len(channel), LARGE, np.int32)
        open_ = np.arange(len(channel))
        for least in range(LARGE, LARGEST):
            if len(open_):
                buckets = self._model.larger[channel[open_], least - LARGE]
                open_ = open_[self._code(given[open_] > least, buckets)]
                sizes[open_] += 1
        sizes[open_] += self._rest(given[open_] - LARGEST)
        return sizes

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
        return self._code(flags, np.full(len(flags), rans.EVEN, np.uint8))
