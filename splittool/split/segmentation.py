"""From probabilities on the canvas to the masks of an image: what a server answers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splittool.data.images import Canvas
from splittool.data.overlays import likeliest

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Segmentation:
    """The masks of one image, each class on its own and where they overlap.

    Attributes:
        masks: (C, H, W), where a probability reaches the threshold.
        hidden: (C, H, W), the pixels of a mask where another class is likelier. Label maps leave
            them out; mostly there are none.
    """

    masks: Masks
    hidden: Masks

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(H, W): 0 is no defect, c + 1 is class c, the likeliest where masks overlap."""
        labels = np.zeros(self.masks.shape[1:], np.uint8)
        for index, shown in enumerate(self.masks & ~self.hidden):
            labels[shown] = (index + 1) % 256
        return labels


def segment(
    probabilities: NDArray[np.float32], canvas: Canvas, height: int, width: int, threshold: float
) -> Segmentation:
    """The masks of an image from what the network says of the canvas.

    Args:
        probabilities: (C, canvas height, canvas width).
        canvas: What the image was fitted to.
        height: Rows of the image.
        width: Its columns.
        threshold: Probability from which a pixel belongs to a class.
    """
    maps = canvas.restore(probabilities, height, width)
    masks = maps >= threshold
    labels = likeliest(maps, masks)
    numbers = np.arange(1, len(masks) + 1)[:, None, None] % 256
    return Segmentation(masks, masks & (labels != numbers))
