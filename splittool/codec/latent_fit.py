"""A model of codec `learned`, made from the symbols of some latents.

The weights of the score are those of a logistic regression, found by Newton's method and rounded
(Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2nd ed., section 4.4.1). What
a level of the score, a sign or a size then means is counted.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.latent_model import (
    LARGEST,
    LEVELS,
    SIGNS,
    SIZES,
    LatentModel,
    with_even,
)
from splittool.codec.latent_walk import (
    Flags,
    Indices,
    Ints,
    Walk,
    are_quiet,
    features_of,
    neighbours,
)
from splittool.codec.latents import BORDER, PASSES, Pass, taken
from splittool.errors import InputError
from splittool.progress import Progress, counter, nobody

Doubles = NDArray[np.float64]

GROUPS = 3  # of channels, unless others are asked for
_LOGIT = 256  # of the weights' unit
_ROUNDS = 25  # of Newton's method, at most
_RIDGE = 3.0  # keeps weights finite where a channel is hardly ever unusual
_ROWS = 60_000  # of a regression
_WEIGHT_OF_PRIOR = 6.0


def fit(
    symbols: NDArray[np.integer], groups: int = GROUPS, progress: Progress = nobody
) -> LatentModel:
    """A model for latents like these; it takes seconds.

    Args:
        symbols: (N, C, H, W) whole numbers from -32768 to 32767.
        groups: Groups of channels that are coded one after the other; more see more, and take
            longer to code.
        progress: Told of the regressions and the latents counted.

    Raises:
        InputError: The array is empty, does not have four dimensions, or holds larger numbers.
    """
    if symbols.ndim != 4 or not symbols.size:
        raise InputError(f"latents of shape {symbols.shape} are not (N, C, H, W) symbols")
    if symbols.min() < -32768 or symbols.max() > 32767:
        raise InputError("latents hold symbols that 16 bits with a sign do not")
    channels = symbols.shape[1]
    usual = np.array([_most_frequent(symbols[:, c]) for c in range(channels)], np.int16)
    differences = symbols.astype(np.int32) - usual[:, None, None]
    groups = min(max(groups, 1), channels)
    step = counter(progress, len(PASSES) + len(symbols), "coding model")
    weights = np.zeros((len(PASSES), channels, 3 * channels + 2), np.int16)
    for number, each in enumerate(PASSES):
        weights[number] = _weights(differences, each, groups)
        step()
    counts = {
        "any": np.zeros((len(PASSES), 2)),
        "unusual": np.zeros((len(PASSES) * channels * LEVELS, 2)),
        "negative": np.zeros((channels * SIGNS, 2)),
        "larger": np.zeros((channels * (LARGEST - 1) * SIZES, 2)),
        "even": np.zeros((1, 2)),
    }

    def count(kind: str, contexts: Indices, flags: Flags) -> Flags:
        size = len(counts[kind])
        counts[kind][:, 0] += np.bincount(contexts[~flags], minlength=size)
        counts[kind][:, 1] += np.bincount(contexts[flags], minlength=size)
        return flags

    empty = {kind: np.zeros(0, np.uint8) for kind in counts}
    walk = Walk(LatentModel(usual, groups, weights, empty), count)
    for latent in differences:
        walk.run(latent)
        step()
    return LatentModel(usual, groups, weights, with_even(_tables(counts, channels)))


def _most_frequent(symbols: NDArray[np.integer]) -> int:
    values, counts = np.unique(symbols, return_counts=True)
    return int(values.tolist()[int(np.argmax(counts))])


def _weights(differences: Ints, each: Pass, groups: int) -> NDArray[np.int16]:
    """(C, 3 C + 2): of what is around, in 1/256 of a logit."""
    channels = differences.shape[1]
    features, unusual = _samples(differences, each)
    found = np.zeros((channels, 3 * channels + 2))
    for group in np.array_split(np.arange(channels), groups):
        # A group knows the neighbours in all channels and the same place in earlier groups.
        known = (
            np.r_[: 2 * channels + group[0]] if each.stride else 2 * channels + np.r_[: group[0]]
        )
        known = np.append(known, [3 * channels, 3 * channels + 1])
        for channel in group:
            found[channel, known] = _regression(features[known], unusual[channel])
    weights: NDArray[np.int16] = np.clip(np.rint(found * _LOGIT), -32767, 32767).astype(np.int16)
    return weights


def _samples(differences: Ints, each: Pass) -> tuple[NDArray[np.float32], Flags]:
    """(3 C + 2, rows) features and (C, rows) unusual symbols, at some places of a pass."""
    channels = differences.shape[1]
    features, unusual = [], []
    for latent in differences[:: _stride(differences, each)]:
        truth = taken(latent, each)
        if not truth.size:
            continue
        near, far = neighbours(_known(latent, each), each, truth.shape[1])
        used = np.flatnonzero(~are_quiet(near, far) | truth.any(axis=0))
        found = features_of(near[:, used], far[:, used], np.dtype(np.float32))
        found[2 * channels : 3 * channels] = truth[:, used] != 0
        features.append(found)
        unusual.append(truth[:, used] != 0)
    if not features:
        return np.zeros((3 * channels + 2, 0), np.float32), np.zeros((channels, 0), bool)
    return np.concatenate(features, axis=1), np.concatenate(unusual, axis=1)


def _stride(differences: Ints, each: Pass) -> int:
    """Every how many latents are enough for a regression."""
    places: int = taken(differences[0], each).shape[1]
    return max(1, places * len(differences) // _ROWS)


def _known(latent: Ints, each: Pass) -> NDArray[np.uint8]:
    """(C, H, W) with a border: what the passes before this one have coded."""
    border = ((0, 0), (BORDER, BORDER), (BORDER, BORDER))
    known = np.zeros(latent.shape, np.uint8)
    for before in _passes_before(each):
        for y, x, step in before.places:
            known[:, y::step, x::step] = np.minimum(np.abs(latent[:, y::step, x::step]), 2)
    return np.pad(known, border)


def _passes_before(each: Pass) -> Iterator[Pass]:
    yield from PASSES[: PASSES.index(each)]


def _regression(features: NDArray[np.float32], unusual: Flags) -> Doubles:
    """Weights of a logistic regression, the last one that of the 1."""
    x, y = features.astype(np.float64), unusual.astype(np.float64)
    ridge = np.full(len(x), _RIDGE)
    ridge[-1] = 1e-3

    def loss(weights: Doubles) -> float:
        scores = weights @ x
        return float((np.logaddexp(0, scores) - y * scores).sum() + (ridge * weights**2).sum() / 2)

    weights = np.zeros(len(x))
    before = loss(weights)
    for _ in range(_ROUNDS):
        likely = _sigmoid(weights @ x)
        slope = x @ (y - likely) - ridge * weights
        curve = (x * (likely * (1 - likely))) @ x.T + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        after = loss(weights + step)
        while after > before and np.abs(step).max() > 1e-3:  # far from the optimum it goes too far
            step /= 2
            after = loss(weights + step)
        if after > before - 1e-6 * abs(before):
            break
        weights, before = weights + step, after
    return weights


def _tables(counts: dict[str, Doubles], channels: int) -> dict[str, NDArray[np.uint8]]:
    """Buckets of what was counted, drawn to what would be likely without counting."""
    levels = (np.arange(LEVELS) - LEVELS / 2 + 0.5) / 2
    unusual = counts["unusual"].reshape(len(PASSES), channels, LEVELS, 2)
    negative = counts["negative"].reshape(channels, SIGNS, 2)
    larger = counts["larger"].reshape(channels, LARGEST - 1, SIZES, 2)
    smooth = np.broadcast_to(_sigmoid(levels), unusual.shape[:-1])
    halves = np.full(negative.shape[:-1], 0.5)
    some = _shares(larger.sum(axis=(0, 2)), np.full(LARGEST - 1, 0.5))
    return {
        "any": _buckets(_shares(counts["any"], np.full(len(PASSES), 0.5))),
        "unusual": _buckets(_shares(unusual, smooth)),
        "negative": _buckets(_shares(negative, halves)),
        "larger": _buckets(
            _shares(larger, _shares(larger.sum(axis=0), np.repeat(some[:, None], SIZES, 1))[None])
        ),
    }


def _sigmoid(logits: Doubles) -> Doubles:
    found: Doubles = 0.5 * (1 + np.tanh(logits / 2))
    return found


def _shares(counts: Doubles, prior: Doubles) -> Doubles:
    """How likely a flag is, from (..., 2) counts and what is likely without them."""
    found: Doubles = (counts[..., 1] + _WEIGHT_OF_PRIOR * prior) / (
        counts.sum(axis=-1) + _WEIGHT_OF_PRIOR
    )
    return found


def _buckets(likely: Doubles) -> NDArray[np.uint8]:
    logits = np.log(likely / (1 - likely))
    found: NDArray[np.uint8] = np.clip(np.rint(2 * logits) + rans.EVEN, 0, rans.BUCKETS - 1).astype(
        np.uint8
    )
    return found
