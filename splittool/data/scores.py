"""Scores of masks: Kaggle's metric, its floor, and Dice where there is something to find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scores:
    """Means over (image, class) pairs.

    Attributes:
        kaggle: The competition's metric: mean Dice over all pairs, empty against empty = 1.
        floor: What `kaggle` would be if nothing were ever predicted.
        dice: Mean Dice over the pairs that have a defect; None when there are none.
        pooled_dice: Dice of each class over the pixels of all images together, averaged over the
            classes that occur; unlike `dice`, it pays for defects seen where there are none.
        dice_per_class: `dice` for each class.
        pairs: Number of pairs.
        defective_pairs: Number of pairs that have a defect.
    """

    kaggle: float
    floor: float
    dice: float | None
    pooled_dice: float | None
    dice_per_class: list[float | None]
    pairs: int
    defective_pairs: int


def count(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels in common, predicted and true for each class.

    Args:
        predicted: (C, H, W) masks.
        truth: (C, H, W) masks.

    Returns:
        (C, 3) counts.
    """
    axes = (1, 2)
    return np.stack(
        [(predicted & truth).sum(axes), predicted.sum(axes), truth.sum(axes)], axis=1
    ).astype(np.int64)


def pair_dice(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice of each pair, 2 |X and Y| / (|X| + |Y|), empty against empty = 1.

    Args:
        counts: (..., 3) from `count`.
    """
    total = counts[..., 1] + counts[..., 2]
    return np.where(total > 0, 2 * counts[..., 0] / np.maximum(total, 1), 1.0)


TALLY = 7


def tally(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reduce images to sums that can be added up over batches and processes.

    Args:
        counts: (N, C, 3), one `count` per image.

    Returns:
        (C, TALLY): pairs, defective pairs, Dice summed over all and over defective pairs,
        and the pixels in common, predicted and true.
    """
    dice = pair_dice(counts)
    defective = counts[..., 2] > 0
    pixels = np.moveaxis(counts, -1, 0)
    columns = [np.ones_like(dice), defective, dice, dice * defective, *pixels]
    return np.stack([column.sum(axis=0, dtype=np.float64) for column in columns], axis=1)


def summarise(tally: NDArray[np.float64]) -> Scores:
    """Means from added-up tallies, (C, TALLY)."""
    pairs, defective, dice, defective_dice = tally[:, :4].sum(axis=0)
    common, predicted, true = tally[tally[:, 6] > 0, 4:].T
    return Scores(
        kaggle=float(dice / pairs),
        floor=float(1 - defective / pairs),
        dice=float(defective_dice / defective) if defective else None,
        pooled_dice=float((2 * common / (predicted + true)).mean()) if defective else None,
        dice_per_class=[float(row[3] / row[1]) if row[1] else None for row in tally],
        pairs=int(pairs),
        defective_pairs=int(defective),
    )


def dice_interval(
    counts: NDArray[np.int64], resamples: int = 1000, share: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """How sure `Scores.dice` is: a bootstrap over images, by percentiles (Efron 1979).

    Args:
        counts: (N, C, 3), one `count` per image.
        resamples: How many sets of N images to draw, with replacement.
        share: Of the resampled values that the interval holds.
        seed: The same seed, the same interval.

    Returns:
        Its ends; None with fewer than two images that have a defect.
    """
    defective = counts[..., 2] > 0
    of_image = np.stack([(pair_dice(counts) * defective).sum(1), defective.sum(1)], axis=1)
    of_image = of_image[of_image[:, 1] > 0]
    number = len(of_image)
    if number < 2:
        return None
    random = np.random.default_rng(seed)
    # An image without a defect says nothing of this mean, and is left out of the draws.
    sums = np.stack(
        [of_image[random.integers(0, number, number)].sum(axis=0) for _ in range(resamples)]
    )
    ends = np.quantile(sums[:, 0] / sums[:, 1], [(1 - share) / 2, (1 + share) / 2])
    return float(ends[0]), float(ends[1])
