"""Entropy coding of flags whose probabilities both sides know: rANS over masks of eight.

Range asymmetric numeral systems (Duda, "Asymmetric numeral systems", arXiv:1311.2540) with whole
numbers only, so that every machine makes the same bytes. Many flags of one probability are coded as
masks of eight, and rare ones first as masks of groups of 8, of 64, ... in which there are any, so
that each step carries some bits and a loop in Python is quick enough. Few flags are coded one by
one. A writer knows all flags before the first is coded, and `rans_encoder` takes them at once; here
is what both sides share, and the reader.

docs/frame-format.md has the format step by step.
"""

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Buckets = NDArray[np.uint8]
Integers = NDArray[np.int64]

# Probabilities of a flag, n / 65536, by bucket: 1 / (1 + exp(10 - bucket / 2)).
PROBABILITIES = (
    *(3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720),
    *(1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768),
)
EVEN = len(PROBABILITIES) - 1  # the bucket of 1/2; those above it mirror those below
BUCKETS = 2 * EVEN + 1

_BITS = 16
WHOLE = 1 << _BITS
_LEAST = 1 << 20  # a state below it takes the next byte
GROUP = 8
MANY = 64  # flags of one bucket, or groups, that are worth masks
_RARE = WHOLE // 16

UNSET = np.array([WHOLE - probability for probability in PROBABILITIES], np.int64)


class Table(NamedTuple):
    """How often each mask occurs.

    Attributes:
        frequencies: (256,) of 65536, zero beyond the last mask.
        starts: (256,) the sum of the frequencies before.
        lists: Both as lists of as many as there are masks, which a loop reads faster.
    """

    frequencies: Integers
    starts: Integers
    lists: tuple[list[int], list[int]]


@lru_cache(maxsize=1024)
def table(probability: int, flags: int, some: bool) -> Table:
    """The table of masks of some flags.

    Args:
        probability: Probability of a flag, n / 65536.
        flags: 1 to 8.
        some: One flag at least is known to be set.
    """
    weights = [
        probability**ones * (WHOLE - probability) ** (flags - ones) for ones in range(flags + 1)
    ]
    total = WHOLE**flags - (weights[0] if some else 0)
    each = [max(1, weight * WHOLE // total) for weight in weights]
    if some:
        each[0] = 0
    counts = [each[mask.bit_count()] for mask in range(1 << flags)]
    counts[counts.index(max(counts))] += WHOLE - sum(counts)
    frequencies = np.zeros(1 << GROUP, np.int64)
    frequencies[: len(counts)] = counts
    starts = np.cumsum(frequencies) - frequencies
    return Table(frequencies, starts, (counts, starts[: len(counts)].tolist()))


@lru_cache(maxsize=4096)
def levels(bucket: int, flags: int) -> tuple[int, ...]:
    """Probabilities, n / 65536, of a flag, of a group of 8, of 64, ...: as many as are coded."""
    found = [PROBABILITIES[bucket]]
    groups = -(-flags // GROUP)
    while found[-1] < _RARE and groups >= MANY:
        none = (WHOLE - found[-1]) ** GROUP >> (_BITS * (GROUP - 1))
        found.append(WHOLE - none)
        groups = -(-groups // GROUP)
    return tuple(found)


class _Stage(NamedTuple):
    """Flags that are coded together.

    Attributes:
        mirrored: (n,) where a flag is more likely set than not, and coded the other way round.
        single: Which flags are coded one by one.
        unset: How often each of these flags is not set, of 65536.
        many: Number of each other bucket, and which flags are in it.
    """

    mirrored: Flags
    single: NDArray[np.intp] | slice
    unset: Integers
    many: list[tuple[int, NDArray[np.intp]]]


def _stage(buckets: Buckets) -> _Stage:
    mirrored = buckets > EVEN
    folded = np.minimum(buckets, 2 * EVEN - buckets)
    if len(buckets) < MANY:
        return _Stage(mirrored, slice(None), UNSET[folded], [])
    counts = np.bincount(folded, minlength=EVEN + 1)
    order, ends = np.argsort(folded, kind="stable"), np.cumsum(counts)
    many = [
        (each, order[ends[each] - counts[each] : ends[each]])
        for each in np.flatnonzero(counts >= MANY).tolist()
    ]
    single = np.flatnonzero((counts < MANY)[folded])
    return _Stage(mirrored, single, UNSET[folded[single]], many)


def single(flags: Flags, unset: Integers) -> tuple[Integers, Integers]:
    """Frequencies and starts, of 65536, of flags one by one; each is unset `unset` times."""
    return np.where(flags, WHOLE - unset, unset), np.where(flags, unset, 0)


def code(frequencies: Integers, starts: Integers) -> bytes:
    """The bytes of a row of choices, each of which is made `frequency` times of 65536.

    Args:
        frequencies: (n,) of each choice, at least 1.
        starts: (n,) the sum of the frequencies of the choices before it.
    """
    state = 0
    found = bytearray()
    write = found.append
    for frequency, start in zip(frequencies[::-1].tolist(), starts[::-1].tolist(), strict=True):
        while state >= frequency << 12:
            write(state & 255)
            state >>= 8
        state = (state // frequency << _BITS) + state % frequency + start
    while state:
        write(state & 255)
        state >>= 8
    return bytes(found[::-1])


class Decoder:
    """Gives flags back in the order in which an encoder took them.

    Args:
        data: The encoder's bytes. What comes of any others is arbitrary, and takes no longer.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._state = self._filled(0)

    @property
    def is_at_end(self) -> bool:
        """Whether all was read, and what is left is what an encoder begins with."""
        return self._state == 0 and self._at == len(self._data)

    def flags(self, buckets: Buckets) -> Flags:
        """The next flags, as many as there are buckets."""
        stage = _stage(buckets)
        found = np.empty(len(buckets), bool)
        found[stage.single] = self._single(stage.unset.tolist())
        for bucket, which in stage.many:
            found[which] = self._many(len(which), levels(bucket, len(which)))
        return found ^ stage.mirrored

    def single(self, unset: int) -> bool:
        """The next flag, which is unset `unset` times of 65536."""
        return self._single([unset])[0]

    def _single(self, unset: list[int]) -> list[bool]:
        state, found = self._state, []
        for border in unset:
            slot = state & (WHOLE - 1)
            flag = slot >= border
            found.append(flag)
            if flag:
                state = (WHOLE - border) * (state >> _BITS) + slot - border
            else:
                state = border * (state >> _BITS) + slot
            if state < _LEAST:
                state = self._filled(state)
        self._state = state
        return found

    def _many(self, count: int, probabilities: tuple[int, ...]) -> Flags:
        counts = [count]  # of flags, of groups of 8, ...
        for _ in probabilities:
            counts.append(-(-counts[-1] // GROUP))
        present = None
        for number in range(len(probabilities) - 1, -1, -1):
            masks = self._masks(counts[number], probabilities[number], present)
            present = np.unpackbits(masks, count=counts[number], bitorder="little").view(bool)
        assert present is not None
        return present

    def _masks(self, flags: int, probability: int, present: Flags | None) -> NDArray[np.uint8]:
        """The masks of one level, zero where the level above says that no flag is set."""
        groups = -(-flags // GROUP)
        some = present is not None
        which = np.arange(groups) if present is None else np.flatnonzero(present)
        last = flags - (groups - 1) * GROUP
        part = last < GROUP and len(which) > 0 and which[-1] == groups - 1
        found = self._give(table(probability, GROUP, some), len(which) - part)
        if part:
            found += self._give(table(probability, last, some), 1)
        masks = np.zeros(groups, np.uint8)
        masks[which] = found
        return masks

    def _give(self, of: Table, count: int) -> list[int]:
        frequencies, starts = of.lists
        state, found = self._state, []
        for _ in range(count):
            slot = state & (WHOLE - 1)
            mask = bisect_right(starts, slot) - 1
            found.append(mask)
            state = frequencies[mask] * (state >> _BITS) + slot - starts[mask]
            if state < _LEAST:
                state = self._filled(state)
        self._state = state
        return found

    def _filled(self, state: int) -> int:
        while state < _LEAST and self._at < len(self._data):
            state = state << 8 | self._data[self._at]
            self._at += 1
        return state
