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


@dataclass(frozen=True)
class Warp:
    """A map from pixels of the result to pixels of the image, around the middle of both.

    Attributes:
        matrix: (2, 2), on (x, y) distances from the middle.
        shift: (2,) pixels, along x and y.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(
        self, pixels: Pixels, masks: NDArray[np.bool_]
    ) -> tuple[Pixels, NDArray[np.bool_]]:
        """Map an image, bilinearly, and its masks, to the nearest pixel.

        What comes from outside is a reflection of the inside, so a mask and the defect under it
        are reflected together.

        Args:
            pixels: (H, W, 3).
            masks: (C, H, W).
        """
        size = pixels.shape[:2]
        margins = self._margins(size)
        padded = np.pad(pixels, (*margins, (0, 0)), mode="symmetric")
        coefficients = self._coefficients(size, margins)
        moved = _transform(padded, coefficients, size, Image.Resampling.BILINEAR)
        moved_masks = np.zeros_like(masks)
        for number in np.flatnonzero(masks.any((1, 2))):
            plane = np.pad(masks[number], margins, mode="symmetric").astype(np.uint8)
            nearest = _transform(plane, coefficients, size, Image.Resampling.NEAREST)
            moved_masks[number] = nearest > 0
        return moved, moved_masks

    def _margins(self, size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows above and below, columns left and right, that the corners of the result reach."""
        half = np.array([size[1], size[0]]) / 2
        reach = np.abs(self.matrix) @ half + np.abs(self.shift) - half
        across, down = (int(max(0, np.ceil(r)) + 1) for r in reach)
        return (down, down), (across, across)

    def _coefficients(
        self, size: tuple[int, ...], margins: tuple[tuple[int, int], tuple[int, int]]
    ) -> tuple[float, ...]:
        """Pillow's (a, b, c, d, e, f): x = a X + b Y + c, y = d X + e Y + f."""
        middle = np.array([size[1], size[0]]) / 2
        offset = np.array([margins[1][0], margins[0][0]])
        constant = middle + self.shift - self.matrix @ middle + offset
        (a, b), (d, e) = self.matrix
        return (float(a), float(b), float(constant[0]), float(d), float(e), float(constant[1]))


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
