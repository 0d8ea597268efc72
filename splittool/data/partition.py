"""Divide samples into a training and a validation part."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from splittool.data.kaggle import Sample
from splittool.errors import InputError


def stratified_split(
    samples: Sequence[Sample], fraction: float, seed: int
) -> tuple[list[int], list[int]]:
    """Hold out the same share of the images of every class.

    An image counts for the rarest class it shows, so that rare classes reach both parts.

    Args:
        samples: The whole set.
        fraction: Share of the validation part, between 0 and 1.
        seed: The same seed gives the same split.

    Returns:
        Sorted indices of the training and of the validation part.

    Raises:
        InputError: There are too few images to fill both parts.
    """
    counts = Counter(name for sample in samples for name in sample.runs)
    strata: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        rarest = min(sample.runs, key=lambda name: (counts[name], name), default="")
        strata[rarest].append(index)
    rng = np.random.default_rng(seed)
    validation: list[int] = []
    for name in sorted(strata):
        members = rng.permutation(strata[name])
        held_out = round(fraction * len(members))
        if len(members) > 1:  # rounding must not keep two images in one part
            held_out = min(max(held_out, 1), len(members) - 1)
        validation.extend(int(i) for i in members[:held_out])
    training = sorted(set(range(len(samples))) - set(validation))
    if not training or not validation:
        raise InputError(
            f"{len(samples)} images are too few to hold out {fraction:.0%} of them; add images"
        )
    return training, sorted(validation)
