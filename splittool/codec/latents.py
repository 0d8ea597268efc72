"""The order in which the symbols of a latent are coded, and what is then known around each.

The symbols of a latent (C, H, W) are coded in five passes over ever finer grids, so that numpy can
take all places of a pass at once and most of them still have neighbours on all sides:

    pass   rows, columns                near neighbours that are known
    0      (0, 0) of every 4 x 4        none
    1      (2, 2) of every 4 x 4        4 at (+-2, +-2)
    2      (0, 2), (2, 0) of 4 x 4      4 at a distance of 2
    3      (1, 1) of every 2 x 2        4 at (+-1, +-1)
    4      (0, 1), (1, 0) of 2 x 2      4 at a distance of 1

and eight far ones at the next distance. Where a latent ends, its neighbours are zero.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
Offset = tuple[int, int]  # rows down, columns to the right

BORDER = 6  # the distance of the furthest neighbour
NEIGHBOURS = 12  # 4 near and 8 far


class Pass(NamedTuple):
    """Places that are coded at once.

    Attributes:
        places: (first row, first column, step) of the grids that they are on.
        neighbours: Where what is known of a place is: none, or 4 near and 8 far neighbours.
    """

    places: tuple[tuple[int, int, int], ...]
    neighbours: tuple[Offset, ...]


def _diagonal(stride: int) -> tuple[Offset, ...]:
    return _corners(stride, stride) + _corners(3 * stride, stride) + _corners(stride, 3 * stride)


def _straight(stride: int) -> tuple[Offset, ...]:
    near = ((-stride, 0), (stride, 0), (0, -stride), (0, stride))
    return near + _corners(2 * stride, stride) + _corners(stride, 2 * stride)


def _corners(rows: int, columns: int) -> tuple[Offset, ...]:
    return ((-rows, -columns), (-rows, columns), (rows, -columns), (rows, columns))


PASSES = (
    Pass(((0, 0, 4),), ()),
    Pass(((2, 2, 4),), _diagonal(2)),
    Pass(((0, 2, 4), (2, 0, 4)), _straight(2)),
    Pass(((1, 1, 2),), _diagonal(1)),
    Pass(((0, 1, 2), (1, 0, 2)), _straight(1)),
)


@lru_cache(maxsize=64)
def places_of(each: Pass, height: int, width: int) -> NDArray[np.intp]:
    """The places of a pass as indices into a plane (H, W) with a border all around, flattened."""
    pitch = width + 2 * BORDER
    parts = [
        (
            (np.arange(y, height, step)[:, None] + BORDER) * pitch
            + np.arange(x, width, step)
            + BORDER
        ).ravel()
        for y, x, step in each.places
    ]
    return np.concatenate(parts)


def neighbours_of(each: Pass, places: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """(12, places) indices of the neighbours of some places, or (0, places) in the first pass.

    Args:
        each: The pass.
        places: Some of `places_of`.
        width: Of the latent.
    """
    pitch = width + 2 * BORDER
    by = np.array([row * pitch + column for row, column in each.neighbours], np.intp)
    return by[:, None] + places


def taken(planes: Plane, each: Pass) -> Plane:
    """What (..., H, W) planes hold at the places of a pass, as (..., places)."""
    parts = [
        planes[..., y::step, x::step].reshape(*planes.shape[:-2], -1) for y, x, step in each.places
    ]
    return np.concatenate(parts, axis=-1)
