"""A network's masks sent at a fraction of their size: fewer bytes for coarser outlines."""

from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.codec.masks import decode_masks, encode_masks
from splittool.data.image_codecs import Coding

# With whole masks six rates, enough to interpolate the bytes at a Dice between them.
SCALES = (1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)

Maps = NDArray[np.float32]


class Coarse(NamedTuple):
    """Masks that were sent coarsely.

    Attributes:
        bytes: Of the coded masks.
        maps: (C, H, W), 1 where a class is and else 0, at the image's size again.
        coding: How long both sides took.
    """

    bytes: int
    maps: Maps
    coding: Coding


def send_coarsely(maps: Maps, threshold: float, scale: float) -> Coarse:
    """Average probabilities over areas, code the masks of these, and scale them up again.

    Args:
        maps: (C, H, W) probabilities.
        threshold: Probability from which a pixel belongs to a class.
        scale: Share of height and width that is sent.
    """
    height, width = maps.shape[1:]
    started = perf_counter()
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coded = encode_masks(_resized(maps, small, Image.Resampling.BOX) >= threshold)
    between = perf_counter()
    received = decode_masks(coded).astype(np.float32)
    full = _resized(received, (width, height), Image.Resampling.BILINEAR) >= 0.5
    ended = perf_counter()
    coding = Coding((between - started) * 1e3, (ended - between) * 1e3)
    return Coarse(len(coded), full.astype(np.float32), coding)


def _resized(maps: Maps, size: tuple[int, int], how: Image.Resampling) -> Maps:
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, how)) for plane in maps])
