"""Entropy coding of flags, the writer's side of `splittool.codec.rans`.

The reader learns flags stage by stage, because later probabilities depend on earlier flags. The
writer has them all, and makes the masks of all stages at once: few steps over long arrays in place
of many over short ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splittool.codec.rans import (
    EVEN,
    GROUP,
    MANY,
    UNSET,
    Buckets,
    Flags,
    Integers,
    code,
    levels,
    single,
    table,
)

_BUCKETS = EVEN + 1  # once the likely ones are mirrored
_MOST_LEVELS = 8  # more than the rarest flags have


class _Choices(NamedTuple):
    """What is coded, in any order.

    Attributes:
        order: (n,) where each comes; those of one number stay in the order they have.
        frequencies: (n,) of 65536.
        starts: (n,) the sum of the frequencies before.
    """

    order: Integers
    frequencies: Integers
    starts: Integers


class Encoder:
    """Collects flags, and codes them all at the end."""

    def __init__(self) -> None:
        self._flags: list[Flags] = []
        self._buckets: list[Buckets] = []

    def flags(self, flags: Flags, buckets: Buckets) -> Flags:
        """Take a stage's flags and the buckets of their probabilities; returns the flags."""
        self._flags.append(flags)
        self._buckets.append(buckets)
        return flags

    def bytes(self) -> bytes:
        """The bytes of all flags taken."""
        if not self._flags:
            return b""
        flags, buckets = np.concatenate(self._flags), np.concatenate(self._buckets)
        sizes = [len(each) for each in self._flags]
        runs = np.repeat(np.arange(len(sizes)) * _BUCKETS, sizes)  # flags of one stage and bucket
        runs += np.minimum(buckets, 2 * EVEN - buckets)
        coded = flags ^ (buckets > EVEN)
        counts = np.bincount(runs, minlength=1)
        many = (counts >= MANY)[runs]
        few = ~many
        singles = single(coded[few], UNSET[runs[few] % _BUCKETS])
        parts = [_Choices(_order(runs[few] // _BUCKETS * _BUCKETS, 0), *singles)]
        if many.any():
            parts += _masks(coded[many], runs[many], counts)
        order, frequencies, starts = map(np.concatenate, zip(*parts, strict=True))
        first = np.argsort(order, kind="stable")
        return code(frequencies[first], starts[first])


def _order(run: Integers, level: int) -> Integers:
    """Where choices come: by stage, those of single flags first, then by bucket, high levels first.

    Args:
        run: Stage times the number of buckets, plus the bucket; of single flags, plus 0.
        level: 1 for masks of flags, 2 for masks of groups, ...; 0 for single flags.
    """
    stage, bucket = run // _BUCKETS, run % _BUCKETS
    within = bucket * _MOST_LEVELS + _MOST_LEVELS - level if level else 0
    return stage * (_BUCKETS * _MOST_LEVELS + 1) + within


def _masks(flags: Flags, runs: Integers, counts: Integers) -> list[_Choices]:
    """The masks of all runs of many flags, then those of their groups, level by level.

    Args:
        flags: (n,) flags.
        runs: (n,) which run each is of.
        counts: How many flags each run has, those of few flags as well.
    """
    # Whole numbers of 16 bits are sorted ten times as fast.
    small = runs.astype(np.uint16) if len(counts) <= 1 << 16 else runs
    rows = flags[np.argsort(small, kind="stable")]
    run = np.flatnonzero(counts >= MANY)
    sizes = counts[run]
    buckets = (run % _BUCKETS).tolist()
    likely = [levels(*each) for each in zip(buckets, sizes.tolist(), strict=True)]
    found = []
    level = 0
    while len(run):
        masks, groups = _packed(rows, sizes)
        tables = [(each[level], len(each) > level + 1) for each in likely]
        frequencies, starts = _looked_up(masks, groups, sizes, tables)
        level += 1
        higher = np.array([some for _, some in tables])
        of_higher = np.repeat(higher, groups)
        some = masks != 0
        coded = some | ~of_higher  # of the others the next level says which are not 0
        order = np.repeat(_order(run, level), groups)
        found.append(_Choices(order[coded], frequencies[coded], starts[coded]))
        rows = some[of_higher]
        run, sizes = run[higher], groups[higher]
        likely = [each for each in likely if len(each) > level]
    return found


def _packed(rows: Flags, sizes: Integers) -> tuple[NDArray[np.uint8], Integers]:
    """Masks of eight flags each, and how many every run has; the last of a run may have fewer."""
    groups = -(-sizes // GROUP)
    shift = (np.cumsum(groups) - groups) * GROUP - (np.cumsum(sizes) - sizes)
    padded = np.zeros(groups.sum() * GROUP, bool)
    padded[np.arange(len(rows)) + np.repeat(shift, sizes)] = rows
    return np.packbits(padded, bitorder="little"), groups


def _looked_up(
    masks: NDArray[np.uint8], groups: Integers, sizes: Integers, tables: list[tuple[int, bool]]
) -> tuple[Integers, Integers]:
    """Frequencies and starts of masks.

    Args:
        masks: (n,) of all runs.
        groups: How many masks each run has.
        sizes: How many flags.
        tables: Of each run, the probability of a flag, and whether no mask is 0.
    """
    numbers: dict[tuple[int, int, bool], int] = {}  # many runs share a table

    def number(probability: int, flags: int, some: bool) -> int:
        return numbers.setdefault((probability, flags, some), len(numbers))

    last = (sizes - (groups - 1) * GROUP).tolist()
    which = np.repeat([number(p, GROUP, some) for p, some in tables], groups)
    pairs = zip(tables, last, strict=True)
    which[np.cumsum(groups) - 1] = [number(p, flags, some) for (p, some), flags in pairs]
    stacked = [table(*each) for each in numbers]
    frequencies = np.stack([each.frequencies for each in stacked])
    starts = np.stack([each.starts for each in stacked])
    return frequencies[which, masks], starts[which, masks]
