"""Kaggle's run-length masks: pixels counted from 1, down each column first."""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

_MAX_DIGITS = 18  # sums of two such numbers fit 64 bits


def parse(text: str) -> NDArray[np.int64]:
    """Read "start length start length ..." into an array of runs.

    Args:
        text: The runs as Kaggle writes them; empty for no pixels.

    Returns:
        (n, 2) array of 1-based starts and lengths, in order of their starts.

    Raises:
        ValueError: The text is not numbers, has an odd count, or runs overlap or are not positive.
    """
    words = text.split()
    for word in words:
        if not (word.isascii() and word.isdigit()):  # int() takes more, such as +1 and 1_0
            raise ValueError(f"{word[:20]!r} is not a whole number")
        if len(word) > _MAX_DIGITS:
            raise ValueError(f"{word[:20]} is too large for a pixel")
    numbers = np.array([int(word) for word in words], dtype=np.int64)
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers; runs are pairs of start and length")
    runs = numbers.reshape(-1, 2)
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    if (runs < 1).any():
        raise ValueError("starts and lengths count from 1")
    overlapping = np.flatnonzero(runs[:-1].sum(axis=1) > runs[1:, 0])
    if len(overlapping):
        raise ValueError(f"runs overlap at pixel {runs[overlapping[0] + 1, 0]}")
    return runs


def last_pixel(runs: NDArray[np.int64]) -> int:
    """The 1-based number of the last pixel that sorted `runs` cover; 0 for none."""
    return int(runs[-1].sum()) - 1 if len(runs) else 0


def decode(runs: NDArray[np.int64], height: int, width: int) -> Mask:
    """Draw runs into a mask.

    Args:
        runs: (n, 2) array from `parse`.
        height: Rows of the mask.
        width: Columns of the mask.

    Returns:
        (H, W) mask.

    Raises:
        ValueError: A run ends outside the mask.
    """
    if last_pixel(runs) > height * width:
        raise ValueError(
            f"runs reach pixel {last_pixel(runs)} of an image of {height}x{width} = "
            f"{height * width} pixels"
        )
    starts = runs[:, 0] - 1
    edges = np.column_stack([starts, starts + runs[:, 1]]).ravel()
    lengths = np.diff(edges, prepend=0, append=height * width)  # outside, inside, outside, ...
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T


def encode(mask: Mask) -> str:
    """Write a mask as runs.

    Args:
        mask: (H, W) mask.

    Returns:
        "start length ..." with every run as long as it can be; empty for an empty mask.
    """
    pixels = np.concatenate([[False], mask.T.ravel(), [False]])
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges[1::2] -= edges[::2]
    return " ".join(map(str, edges))
