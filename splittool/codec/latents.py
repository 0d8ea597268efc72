"""The order in which the symbols of a latent are coded, and what is then known around each.

The symbols of a latent (C, H, W) are coded in five passes over ever finer grids, so that numpy can
take all places of a pass at once and most of them still have neighbours on all sides:

    pass   rows, columns                neighbours that are known
    0      (0, 0) of every 4 x 4        none
    1      (2, 2) of every 4 x 4        4 at (+-2, +-2)
    2      (0, 2), (2, 0) of 4 x 4      4 at a distance of 2
    3      (1, 1) of every 2 x 2        4 at (+-1, +-1)
    4      (0, 1), (1, 0) of 2 x 2      4 at a distance of 1

Where a latent ends, its neighbours are zero.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]

BORDER = 6  # the distance of the furthest neighbour


class Pass(NamedTuple):
    """Places that are coded at once.

    Attributes:
        places: (first row, first column, step) of the grids that they are on.
        stride: Distance of the neighbours; 0 where none is known.
        diagonal: They are at (+-stride, +-stride), else in the four directions.
    """

    places: tuple[tuple[int, int, int], ...]
    stride: int
    diagonal: bool


PASSES = (
    Pass(((0, 0, 4),), 0, True),
    Pass(((2, 2, 4),), 2, True),
    Pass(((0, 2, 4), (2, 0, 4)), 2, False),
    Pass(((1, 1, 2),), 1, True),
    Pass(((0, 1, 2), (1, 0, 2)), 1, False),
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


def taken(planes: Plane, each: Pass) -> Plane:
    """What (C, H, W) planes hold at the places of a pass, as (C, places)."""
    parts = [planes[:, y::step, x::step].reshape(len(planes), -1) for y, x, step in each.places]
    return np.concatenate(parts, axis=1)


def around(plane: Plane, each: Pass) -> tuple[Plane, Plane]:
    """Sums of the 4 near and the 8 far neighbours of every place.

    Args:
        plane: (C, H, W) with a border all around; what is not known yet is 0.
        each: The pass: near neighbours are at its stride, diagonally or not, and far ones at the
            next distance at which all are known.

    Returns:
        (C, H, W) and (C, H, W).
    """
    height, width = plane.shape[1] - 2 * BORDER, plane.shape[2] - 2 * BORDER
    s, wide = each.stride, 3 if each.diagonal else 2

    def columns(shift: int) -> Plane:
        left = plane[:, :, BORDER - shift : BORDER - shift + width]
        return left + plane[:, :, BORDER + shift : BORDER + shift + width]

    def rows(sums: Plane, shift: int) -> Plane:
        above = sums[:, BORDER - shift : BORDER - shift + height]
        return above + sums[:, BORDER + shift : BORDER + shift + height]

    beside, further = columns(s), columns(wide * s)
    far = rows(beside, wide * s) + rows(further, s)
    if each.diagonal:
        return rows(beside, s), far
    middle = plane[:, :, BORDER : BORDER + width]
    return rows(middle, s) + beside[:, BORDER : BORDER + height], far
