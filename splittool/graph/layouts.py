"""Which tensors are images, by their shape."""

from collections.abc import Sequence
from typing import Literal


def image_layout(shape: Sequence[int] | None) -> Literal["NCHW", "NHWC"] | None:
    """Where the channels of one colour image are: (1, 3, height, width) or (1, height, width, 3).

    Returns:
        The layout; None if it is not the shape of an image.
    """
    if shape is None or len(shape) != 4 or shape[0] != 1 or 3 not in (shape[1], shape[3]):
        return None
    return "NCHW" if shape[1] == 3 else "NHWC"
