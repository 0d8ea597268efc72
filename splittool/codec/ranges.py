"""Ranges of the quantiser, chosen once from the values that crossed for some images.

Clipping a few large values leaves finer steps for the rest; how many to clip depends on the bits.
The candidates are the range from minimum to maximum and those between two percentiles of each
channel (Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 3.1); the
choice is by the mean squared error that quantising leaves.
"""

from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from splittool.codec.quantiser import Floats, Ranges, channels, dequantise, quantise, ranges_between
from splittool.errors import InputError
from splittool.vocabulary import RangesMethod

METHODS: tuple[RangesMethod, ...] = get_args(RangesMethod)

_MIN_MAX = 100.0
_PER_TENSOR = (_MIN_MAX, 99.9, 99.0)
_PER_CHANNEL = (_MIN_MAX, 99.99, 99.95, 99.9, 99.7, 99.5, 99.0, 98.0, 95.0)
_KEPT_VALUES = 1 << 21  # of a tensor, over all images: 8 MiB
_LEAST_PER_CHANNEL = 256


class Sampler:
    """What is kept of one crossing tensor: each channel's extremes, and some of its values.

    Args:
        name: For messages.
        images: How many there will be.
        seed: The same seed, the same values.
        per_channel: False takes all channels for one.
    """

    def __init__(self, name: str, images: int, seed: int = 0, per_channel: bool = True) -> None:
        self.name = name
        self._images = max(images, 1)
        self._per_channel = per_channel
        self._random = np.random.default_rng(seed)
        self._kept: list[Floats] = []
        self._low: Floats | None = None
        self._high: Floats | None = None

    def add(self, tensor: Floats) -> None:
        """Take in one image's tensor, (1, C, ...).

        Raises:
            InputError: It holds values that are not numbers, or none at all.
        """
        rows = channels(tensor.astype(np.float32, copy=False))
        if not self._per_channel:
            rows = rows.reshape(1, -1)
        if not rows.size:
            raise InputError(
                f"crossing tensor {self.name} is empty and cannot be calibrated;"
                " use the ranges of each frame"
            )
        low, high = rows.min(axis=1), rows.max(axis=1)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InputError(
                f"crossing tensor {self.name} holds NaN or infinity; check the model's weights"
            )
        self._low = low if self._low is None else np.minimum(self._low, low)
        self._high = high if self._high is None else np.maximum(self._high, high)
        wanted = max(_KEPT_VALUES // (len(rows) * self._images), _LEAST_PER_CHANNEL // self._images)
        places = rows.shape[1]
        if wanted < places:
            rows = rows[:, self._random.integers(0, places, max(wanted, 1))]
        self._kept.append(rows.copy())

    def limits(self, share: float) -> tuple[Floats, Floats]:
        """(C,) and (C,): the ends of the range that leaves out (100 - share) % at either side."""
        if self._low is None or self._high is None:
            raise InputError(f"no image was seen for crossing tensor {self.name}; give images")
        if share >= _MIN_MAX:
            return self._low, self._high
        ends = np.percentile(self.values(), [100 - share, share], axis=1).astype(np.float32)
        # A channel that is nearly always the same would lose all that it has to say.
        flat = ends[0] >= ends[1]
        return np.where(flat, self._low, ends[0]), np.where(flat, self._high, ends[1])

    def values(self) -> Floats:
        """(C, values) that were kept."""
        return np.concatenate(self._kept, axis=1)


def choose_ranges(sampler: Sampler, bits: int, method: RangesMethod = "best") -> tuple[Ranges, str]:
    """Ranges for one tensor and precision.

    Args:
        sampler: What is known of the tensor.
        bits: Bits per element, 1 to 16.
        method: `min-max`; `percentile`, the 99.9th, or the 99th at 2 bits and less; `best` of these
            three for the whole tensor; `mse`, the best of nine for each channel.

    Returns:
        The ranges, and in words what they are.
    """
    if method == "min-max":
        return _candidate(sampler, bits, _MIN_MAX), _words(_MIN_MAX)
    if method == "percentile":
        share = 99.9 if bits > 2 else 99.0
        return _candidate(sampler, bits, share), _words(share)
    shares = _PER_TENSOR if method == "best" else _PER_CHANNEL
    candidates = [_candidate(sampler, bits, share) for share in shares]
    errors = np.stack([channel_errors(sampler.values(), bits, found) for found in candidates])
    if method == "best":
        least = int(errors.mean(axis=1).argmin())
        return candidates[least], _words(shares[least])
    return _pick(candidates, errors.argmin(axis=0)), "of each channel"


def channel_errors(values: Floats, bits: int, ranges: Ranges) -> NDArray[np.float64]:
    """The mean squared error that quantising leaves in each channel.

    Args:
        values: (C, values).
        bits: Bits per element.
        ranges: How they are quantised.

    Returns:
        (C,) errors, in squares of the values' unit.
    """
    found = dequantise(quantise(values[None], bits, ranges=ranges))[0]
    errors: NDArray[np.float64] = np.square(found.astype(np.float64) - values).mean(axis=1)
    return errors


def _candidate(sampler: Sampler, bits: int, share: float) -> Ranges:
    return ranges_between(*sampler.limits(share), bits, sampler.name)


def _pick(candidates: Sequence[Ranges], which: NDArray[np.intp]) -> Ranges:
    """The candidate chosen for each channel, by its number."""
    channel = np.arange(len(which))
    low = np.stack([found.low for found in candidates])
    step = np.stack([found.step for found in candidates])
    return Ranges(low[which, channel], step[which, channel])


def _words(share: float) -> str:
    return "min-max" if share >= _MIN_MAX else f"percentile {share:g}"
