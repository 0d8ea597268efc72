"""Which images are shown how often, and for which class their windows are chosen."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splittool.data.kaggle import Sample

BY_CLASS = 2 / 3  # share of what is shown that is chosen for the sake of a class


@dataclass(frozen=True)
class Balance:
    """How a training part is drawn from.

    Attributes:
        weights: (N,) how often each image is shown, relative to the others.
        focus: (N, C) probability that the window of an image is chosen for a class; what a row
            lacks to 1 is the probability of a window anywhere.
    """

    weights: NDArray[np.float64]
    focus: NDArray[np.float64]


def balance_classes(
    samples: Sequence[Sample], classes: Sequence[str], share: float = BY_CLASS
) -> Balance:
    """Choose a share of what is shown by class, each class as often as any other.

    To draw first a class, then an image that shows it, gives image i the probability
    sum over its classes of 1 / (classes * images of the class). The rest is drawn from all images
    alike, so that clean steel, too, is learnt. Where no image has a defect, that is everything.

    Args:
        samples: The training part.
        classes: Names of the masks, in their order.
        share: Share that is chosen by class, from 0 to 1.
    """
    counts = Counter(name for sample in samples for name in sample.runs)
    shows = np.array([[name in sample.runs for name in classes] for sample in samples], dtype=float)
    number = np.array([counts[name] for name in classes], dtype=float)
    shown = number > 0
    if not shown.any():
        return Balance(np.ones(len(samples)), shows)
    chosen = share * shows / (np.maximum(number, 1) * shown.sum())
    weights = chosen.sum(1) + (1 - share) / len(samples)
    return Balance(weights, chosen / weights[:, None])


def choose_class(focus: NDArray[np.float64], rng: np.random.Generator) -> int | None:
    """Draw the class of a window, or None for a window anywhere.

    Args:
        focus: (C,) probabilities, a row of `Balance.focus`.
        rng: The source of randomness.
    """
    drawn = int(np.searchsorted(np.cumsum(focus), rng.random(), side="right"))
    return drawn if drawn < len(focus) else None
