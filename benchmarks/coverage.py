"""How often a 95 % interval of Dice holds the true mean: python benchmarks/coverage.py.

Images are drawn from distributions shaped like Dice of a trained network over defective images:
most defects are found well, some badly, some not at all. The true mean is known, so that coverage
can be counted. Three intervals are compared: percentiles of a bootstrap over images (Efron 1979),
Student's t, and splittool's own (`splittool.data.scores.dice_interval`).

The last column is of `splittool.data.scores.difference_interval`, how much better one network is
than another on the same images: of every ten images, both find the same in seven, and the second
has 3 % less on all.
"""

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from splittool.data.scores import DIFFERENCE_IMAGES, dice_interval, difference_interval

Values = NDArray[np.float64]
Ends = tuple[float, float]

NUMBERS = (7, 20, 60, 144)
ALIKE, LESS = 0.7, 0.97  # of a second network
# Share of images whose defect is missed, and the two parameters of the beta distribution of Dice
# of the others.
SHAPES = {"mild": (0.0, 6.0, 2.0), "skewed": (0.05, 9.0, 1.5), "rare misses": (0.12, 30.0, 3.0)}
_T = {7: 2.447, 20: 2.093, 60: 2.001, 144: 1.977}  # 97.5 % quantiles of Student's t, n - 1 degrees


def draw(random: np.random.Generator, shape: tuple[float, float, float], number: int) -> Values:
    """Dice of a number of images."""
    missed, a, b = shape
    return np.where(random.random(number) < missed, 0.0, random.beta(a, b, number))


def percentiles(dice: Values) -> Ends:
    """Efron's percentile bootstrap."""
    draws = np.random.default_rng(0).integers(0, len(dice), (1000, len(dice)))
    low, high = np.quantile(dice[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def student(dice: Values) -> Ends:
    """Student's t, cut off at 0 and 1."""
    half = _T[len(dice)] * dice.std(ddof=1) / np.sqrt(len(dice))
    return max(0.0, float(dice.mean() - half)), min(1.0, float(dice.mean() + half))


def counts_of(dice: Values) -> NDArray[np.int64]:
    """Counts of pixels that have this Dice."""
    full = np.full(len(dice), 1_000_000)
    return np.stack([(dice * full).astype(np.int64), full, full], axis=-1)[:, None]


def ours(dice: Values) -> Ends:
    """The product's."""
    interval = dice_interval(counts_of(dice))
    assert interval is not None
    return interval


def paired(first: Values, second: Values) -> Ends:
    """The product's, of a difference."""
    interval = difference_interval(counts_of(first), counts_of(second))
    assert interval is not None
    return interval


def beside(random: np.random.Generator, shape: tuple[float, float, float], first: Values) -> Values:
    """Dice of a second network on the images on which the first one has this Dice."""
    other = draw(random, shape, len(first))
    return LESS * np.where(random.random(len(first)) < ALIKE, first, other)


METHODS: dict[str, Callable[[Values], Ends]] = {
    "percentiles": percentiles,
    "Student's t": student,
    "splittool": ours,
}


def cell(intervals: list[Ends], truth: float) -> str:
    """How many hold the truth, and how wide they are."""
    ends = np.array(intervals)
    held = ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()
    return f"{held:.3f}, {(ends[:, 1] - ends[:, 0]).mean():.3f}"


def main() -> None:
    """Count, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000)
    trials = parser.parse_args().trials
    columns = [*METHODS, "splittool, difference"]
    print("| Dice | images | " + " | ".join(f"{name}: held, width" for name in columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for label, shape in SHAPES.items():
        missed, a, b = shape
        truth = (1 - missed) * a / (a + b)
        for number in NUMBERS:
            random = np.random.default_rng(number)
            sets = [draw(random, shape, number) for _ in range(trials)]
            cells = [cell([method(d) for d in sets], truth) for method in METHODS.values()]
            if number < DIFFERENCE_IMAGES:
                cells.append("refused")
            else:
                pairs = [paired(d, beside(random, shape, d)) for d in sets]
                cells.append(cell(pairs, (1 - LESS) * truth))
            print(
                f"| {label}, mean {truth:.2f} | {number} | " + " | ".join(cells) + " |", flush=True
            )


if __name__ == "__main__":
    main()
