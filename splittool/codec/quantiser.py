"""Affine quantisation of crossing tensors, per channel or per tensor, to 1 to 16 bits.

A value x becomes the symbol rint((x - low) / step), halves to even, kept within 0 .. 2^bits - 1; a
symbol s becomes the value s * step + low. All of it is done in 32-bit floats. `low` and `step`
either come from the tensor itself, and then travel with it, or were calibrated before and are known
to both sides; values outside of calibrated ranges are clipped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splittool.codec.choices import check_bits
from splittool.codec.symbols import Symbols, symbol_type
from splittool.errors import InputError

Floats = NDArray[np.float32]

_MAX_SPREAD = np.finfo(np.float32).max / 2  # half, so that steps rounded up add up to a number
_LEAST_STEP = np.finfo(np.float32).tiny  # a smaller one has no reciprocal in 32 bits


@dataclass(frozen=True)
class Ranges:
    """Which value each symbol stands for.

    Attributes:
        low: (C,) value of symbol 0 in each channel, or (1,) for all of them.
        step: As `low`; difference between neighbouring symbols, 0 where all values are equal.
    """

    low: Floats
    step: Floats

    @property
    def bytes(self) -> int:
        """What they add to a frame that they travel with."""
        return self.low.nbytes + self.step.nbytes


@dataclass(frozen=True)
class Quantised:
    """A tensor as symbols.

    Attributes:
        symbols: (1, C, ...) whole numbers from 0 to 2^bits - 1.
        bits: Bits per element.
        ranges: What the symbols mean.
    """

    symbols: Symbols
    bits: int
    ranges: Ranges


def ranges_between(low: ArrayLike, high: ArrayLike, bits: int, name: str = "tensor") -> Ranges:
    """Ranges whose first symbol is `low` and whose last is `high`.

    Args:
        low: (C,) or (1,) numbers.
        high: The same number of them.
        bits: Bits per element, 1 to 16.
        name: For the message.

    Raises:
        InputError: They are not numbers, or too far apart for 32 bits.
        UsageError: `bits` is out of range.
    """
    check_bits(bits)
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError(f"crossing tensor {name} holds NaN or infinity; check the model's weights")
    # In 64 bits, because the range of two finite 32-bit numbers can overflow.
    spread = np.maximum(high.astype(np.float64) - low, 0)
    if (spread > _MAX_SPREAD).any():
        raise InputError(f"crossing tensor {name} nears infinity; check the model's weights")
    return Ranges(low, (spread / (2**bits - 1)).astype(np.float32))


def measure(tensor: Floats, bits: int, per_channel: bool = True, name: str = "tensor") -> Ranges:
    """The ranges from minimum to maximum of one tensor.

    Args:
        tensor: (1, C, ...) values.
        bits: Bits per element, 1 to 16.
        per_channel: One range for each channel, else one for all.
        name: For the message.

    Raises:
        InputError: It holds values that are not numbers, or too far apart for 32 bits.
        UsageError: `bits` is out of range.
    """
    rows = channels(tensor) if per_channel else tensor.reshape(1, tensor.size)
    if not tensor.size:
        return ranges_between(np.zeros(len(rows)), np.zeros(len(rows)), bits, name)
    # A NaN or an infinity anywhere shows in the extremes.
    return ranges_between(rows.min(axis=1), rows.max(axis=1), bits, name)


def quantise(
    tensor: Floats,
    bits: int,
    name: str = "tensor",
    ranges: Ranges | None = None,
    per_channel: bool = True,
) -> Quantised:
    """Quantise a tensor.

    Args:
        tensor: (1, C, ...) values.
        bits: Bits per element, 1 to 16.
        name: For the message.
        ranges: Calibrated ranges; values outside are clipped. None takes the tensor's own.
        per_channel: Where ranges are the tensor's own: one for each channel, else one for all.

    Raises:
        InputError: It holds values that are not numbers, or too far apart for 32 bits.
        UsageError: `bits` is out of range.
    """
    check_bits(bits)
    if ranges is None:
        ranges = measure(tensor, bits, per_channel, name)
    elif not _finite(tensor):
        raise InputError(f"crossing tensor {name} holds NaN or infinity; check the model's weights")
    levels = np.float32(2**bits - 1)
    rows = channels(tensor)
    low = _one_each(ranges.low, len(rows))
    scale = _one_each(reciprocals(ranges), len(rows))
    symbols = np.empty(rows.shape, dtype=symbol_type(bits))
    scratch = np.empty(rows.shape[1:], dtype=np.float32)
    # Row by row, because a row stays in the processor's cache through all the steps.
    with np.errstate(over="ignore", under="ignore"):  # far outside a calibrated range is clipped
        for row, first, factor, into in zip(rows, low, scale, symbols, strict=True):
            if not factor:  # infinity times zero would be NaN
                into[...] = 0
                continue
            np.subtract(row, first, out=scratch)
            np.multiply(scratch, factor, out=scratch)
            np.rint(scratch, out=scratch)
            np.clip(scratch, np.float32(0), levels, out=scratch)
            into[...] = scratch
    return Quantised(symbols.reshape(tensor.shape), bits, ranges)


def reciprocals(ranges: Ranges) -> Floats:
    """What to multiply by to get symbols: 1 / step, and 0 in a channel without steps.

    A product, not a quotient, because runtimes make products of quotients, too: a quantiser baked
    into a network must give the same symbols.
    """
    has_steps = ranges.step >= _LEAST_STEP
    return np.where(has_steps, np.float32(1) / np.where(has_steps, ranges.step, np.float32(1)), 0)


def dequantise(quantised: Quantised) -> Floats:
    """The values that the cloud works with."""
    rows = channels(quantised.symbols)
    low = _one_each(quantised.ranges.low, len(rows))
    step = _one_each(quantised.ranges.step, len(rows))
    values = np.empty(rows.shape, dtype=np.float32)
    for row, first, width, into in zip(rows, low, step, values, strict=True):
        np.multiply(row, width, out=into, dtype=np.float32)
        into += first
    return values.reshape(quantised.symbols.shape)


def channels(tensor: Symbols) -> Symbols:
    """(1, C, ...) as (C, values)."""
    number = tensor.shape[1] if tensor.ndim > 1 else 1
    return tensor.reshape(number, tensor.size // max(number, 1))


def _one_each(values: Floats, number: int) -> Floats:
    return np.broadcast_to(values, (number,))


def _finite(tensor: Floats) -> bool:
    return not tensor.size or bool(np.isfinite(tensor.min()) and np.isfinite(tensor.max()))
