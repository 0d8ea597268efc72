"""Scores of masks: Kaggle's metric, its floor, and Dice over the pairs that have a defect."""

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
    """Count the pixels in common, predicted and true, for each class.

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


def defective_images(counts: NDArray[np.int64]) -> int:
    """The number of images that have a defect; only these count for `Scores.dice`.

    Args:
        counts: (N, C, 3), one `count` per image.
    """
    return int((counts[..., 2] > 0).any(axis=1).sum())


def dice_interval(
    counts: NDArray[np.int64], resamples: int = 2000, share: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """A confidence interval of `Scores.dice`, over the choice of images.

    Dice lies between 0 and 1 and is skewed: most defects are found, a few are missed. A handful
    of images often shows no miss, and then a bootstrap of them, or Student's t, claims a narrow
    interval too high. This interval weighs the images at random (Rubin 1981, "The Bayesian
    bootstrap") together with one image more, the worst possible: Dice 0 for the lower end, 1 for
    the upper (Gaffke 2005, "Three test statistics for a nonparametric one-sided hypothesis on the
    mean of a nonnegative variable"). benchmarks/coverage.py measures how often it holds the truth.

    Args:
        counts: (N, C, 3), one `count` per image.
        resamples: Number of random weightings.
        share: Confidence.
        seed: The same seed gives the same interval.

    Returns:
        Its ends; None with fewer than two images that have a defect.
    """
    dice, pairs = _over_defects(pair_dice(counts), counts)
    if len(pairs) < 2:
        return None
    extra = pairs.mean()
    weights = np.random.default_rng(seed).standard_exponential((resamples, len(pairs) + 1))
    sums, total = weights[:, :-1] @ dice, weights @ np.append(pairs, extra)
    low = np.quantile(sums / total, (1 - share) / 2)
    high = np.quantile((sums + weights[:, -1] * extra) / total, (1 + share) / 2)
    return float(low), float(high)


# With fewer, the rare image on which two networks differ much is mostly not among them: an interval
# of 95 % held the truth in 56 to 62 % of the cases with 7 images and in 66 to 81 % with 20
# (benchmarks/coverage.py).
DIFFERENCE_IMAGES = 60


def difference_interval(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    resamples: int = 2000,
    share: float = 0.95,
    seed: int = 0,
) -> tuple[float, float] | None:
    """A confidence interval of how much higher the first `Scores.dice` is, over the same images.

    A bootstrap of pairs: each random weighting of the images (Rubin 1981, "The Bayesian bootstrap")
    holds for both, so what makes an image hard for both of them does not widen the interval.

    Args:
        first: (N, C, 3), one `count` per image.
        second: The same images, in the same order.
        resamples: Number of random weightings.
        share: Confidence.
        seed: The same seed gives the same interval.

    Returns:
        Its ends; None with fewer than `DIFFERENCE_IMAGES` images that have a defect.
    """
    difference, pairs = _over_defects(pair_dice(first) - pair_dice(second), first)
    if len(pairs) < DIFFERENCE_IMAGES:
        return None
    weights = np.random.default_rng(seed).standard_exponential((resamples, len(pairs)))
    found = np.quantile(
        (weights @ difference) / (weights @ pairs), [(1 - share) / 2, (1 + share) / 2]
    )
    return float(found[0]), float(found[1])


def _over_defects(
    values: NDArray[np.float64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """For each image that has a defect: the sum of its defective pairs' values, and their number.

    An image without a defect does not enter the mean over defective pairs, so it is left out.
    """
    defective = counts[..., 2] > 0
    pairs = defective.sum(axis=1)
    return (values * defective).sum(axis=1)[pairs > 0], pairs[pairs > 0]
