"""Masks as pictures: label maps, and overlays on the image."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.data.images import Pixels

# Okabe and Ito's colours, which most colour-blind people can tell apart, without black; more
# classes start over.
COLOURS = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    dtype=np.uint8,
)

_STRIP = 64  # rows


def colour(index: int) -> NDArray[np.uint8]:
    """RGB of a class."""
    return np.asarray(COLOURS[index % len(COLOURS)])


def label_map(probabilities: NDArray[np.float32], masks: NDArray[np.bool_]) -> Image.Image:
    """Make a palette image: 0 is no defect, c + 1 is class c; where masks overlap, the likeliest.

    Args:
        probabilities: (C, H, W).
        masks: (C, H, W), the probabilities after the threshold.
    """
    return label_image(likeliest(probabilities, masks), len(masks))


def likeliest(probabilities: NDArray[np.float32], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(H, W) labels: 0 is no defect, c + 1 is class c, the likeliest where masks overlap.

    Args:
        probabilities: (C, H, W).
        masks: (C, H, W), the probabilities after the threshold.
    """
    labels = np.zeros(masks.shape[1:], dtype=np.uint8)
    best = np.full(masks.shape[1:], -1, dtype=np.float32)
    for index, (mask, likely) in enumerate(zip(masks, probabilities, strict=True)):
        better = mask & (likely > best)
        labels[better] = (index + 1) % 256
        np.copyto(best, likely, where=better)
    return labels


def label_image(labels: NDArray[np.uint8], classes: int) -> Image.Image:
    """(H, W) labels as a palette image."""
    image = Image.fromarray(labels)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for index in range(min(classes, 255)):
        palette[index + 1] = colour(index)
    image.putpalette(palette.tobytes())
    return image


def overlay(
    pixels: Pixels, masks: NDArray[np.bool_], truth: NDArray[np.bool_] | None
) -> Image.Image:
    """The image with predicted masks tinted, and the outlines of the true ones.

    Args:
        pixels: (H, W, 3).
        masks: (C, H, W) predicted.
        truth: (C, H, W) true, or None.
    """
    picture = pixels.copy()
    for top in range(0, len(picture), _STRIP):  # few rows at a time need little memory
        strip = picture[top : top + _STRIP]
        for index, mask in enumerate(masks[:, top : top + _STRIP]):
            tinted = strip // 2 + colour(index) // 2
            np.copyto(strip, tinted, where=mask[..., None])
    for index, mask in enumerate(truth if truth is not None else ()):
        picture[_outline(mask)] = colour(index)
    return Image.fromarray(picture)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of a mask that have a neighbour outside it."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner
