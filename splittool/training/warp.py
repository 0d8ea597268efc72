"""A random affine map of an image and its masks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.data.images import Pixels

DEGREES = 10.0
LOG_SCALE = 0.15
LOG_ASPECT = 0.075
SHIFT = 15.0  # pixels

Window = tuple[slice, slice]

_ROOM = 3  # pixels around what is looked at, for rounding and for the neighbours of the bilinear


@dataclass(frozen=True)
class Warp:
    """A map from pixels of the result to pixels of the image, around the middle of both.

    Attributes:
        matrix: (2, 2), on (x, y) distances from the middle.
        shift: (2,) pixels, along x and y.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def pixels(
        self,
        pixels: Pixels,
        window: Window | None = None,
        levels: NDArray[np.uint8] | None = None,
    ) -> Pixels:
        """Map an image, bilinearly, or only what a window of the result shows.

        What comes from outside is a reflection of the inside.

        Args:
            pixels: (H, W, 3).
            window: The rows and columns of the result that are wanted; None for all.
            levels: (256,) what becomes of each grey level before; only levels that are needed are
                looked up.
        """
        height, width = pixels.shape[:2]
        rows, columns = window or (slice(0, height), slice(0, width))
        (a, b, c), (d, e, f) = self._lines(height, width)
        corners_x, corners_y = (
            np.array([v * x + w * y + z for x in _ends(columns) for y in _ends(rows)])
            for v, w, z in ((a, b, c), (d, e, f))
        )
        left, top = int(corners_x.min()) - _ROOM, int(corners_y.min()) - _ROOM
        right, bottom = int(corners_x.max()) + _ROOM, int(corners_y.max()) + _ROOM
        near = pixels[_reflected(top, bottom, height)[:, None], _reflected(left, right, width)]
        near = near if levels is None else levels.take(near)
        x, y = columns.start, rows.start
        coefficients = (a, b, a * x + b * y + c - left, d, e, d * x + e * y + f - top)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        return _transform(near, coefficients, size, Image.Resampling.BILINEAR)

    def masks(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Map (C, H, W) masks to the nearest pixel, reflected together with their defects."""
        height, width = masks.shape[1:]
        half = np.array([width, height]) / 2
        reach = np.abs(self.matrix) @ half + np.abs(self.shift) - half
        across, down = (int(max(0, np.ceil(r))) + 1 for r in reach)
        (a, b, c), (d, e, f) = self._lines(height, width)
        coefficients = (a, b, c + across, d, e, f + down)
        moved = np.zeros_like(masks)
        for number in np.flatnonzero(masks.any((1, 2))):
            margins = ((down, down), (across, across))
            plane = np.pad(masks[number], margins, mode="symmetric").astype(np.uint8)
            nearest = _transform(plane, coefficients, (height, width), Image.Resampling.NEAREST)
            moved[number] = nearest > 0
        return moved

    def _lines(self, height: int, width: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """X = a X + b Y + c and y = d X + e Y + f, where (X, Y) is a place in the result."""
        middle = np.array([width, height]) / 2
        constant = middle + self.shift - self.matrix @ middle
        lines = np.column_stack([self.matrix, constant]).tolist()
        return tuple(lines[0]), tuple(lines[1])


def _ends(part: slice) -> tuple[int, int]:
    return part.start, part.stop


def _reflected(start: int, stop: int, length: int) -> NDArray[np.intp]:
    """Places from start to stop, those beyond the ends reflected inside."""
    places = np.arange(start, stop) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def random_warp(rng: np.random.Generator) -> Warp:
    """Draw a small rotation, scale, aspect ratio and shift."""
    angle = np.deg2rad(rng.uniform(-DEGREES, DEGREES))
    scale = np.exp(rng.uniform(-LOG_SCALE, LOG_SCALE))
    aspect = np.exp(rng.uniform(-LOG_ASPECT, LOG_ASPECT))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Warp(turn * scale @ np.diag([aspect, 1 / aspect]), rng.uniform(-SHIFT, SHIFT, 2))


def _transform(
    array: NDArray[np.uint8],
    coefficients: tuple[float, ...],
    size: tuple[int, ...],
    resampling: Image.Resampling,
) -> NDArray[np.uint8]:
    image = Image.fromarray(array)
    moved = image.transform(
        (size[1], size[0]), Image.Transform.AFFINE, coefficients, resample=resampling
    )
    return np.asarray(moved)
