"""Affine quantisation per channel, 1 to 16 bits, packed without gaps.

Each channel of a frame is mapped from its own minimum and maximum to 0 .. 2^bits - 1. The two
numbers travel with the frame as 32-bit floats and are billed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splittool.codec.limits import check_bits
from splittool.errors import InputError

Floats = NDArray[np.float32]
Symbols = NDArray[Any]  # uint8 up to 8 bits, else uint16

_MAX_SPREAD = np.finfo(np.float32).max / 2  # half, so that steps rounded up add up to a number


@dataclass(frozen=True)
class Quantised:
    """A tensor on its way to the cloud.

    Attributes:
        shape: (1, C, ...).
        bits: Bits per element.
        low: (C,) value of symbol 0 in each channel.
        step: (C,) difference between neighbouring symbols in each channel.
        payload: The packed symbols.
    """

    shape: tuple[int, ...]
    bits: int
    low: Floats
    step: Floats
    payload: bytes

    @property
    def bytes(self) -> int:
        """All that is sent: symbols, minima and steps."""
        return len(self.payload) + self.low.nbytes + self.step.nbytes


def quantise(tensor: Floats, bits: int, name: str = "tensor") -> Quantised:
    """Quantise and pack a tensor.

    Args:
        tensor: (1, C, ...) values.
        bits: Bits per element, 1 to 16.
        name: For the message.

    Raises:
        InputError: It holds values that are not numbers, or too far apart for 32 bits.
        UsageError: `bits` is out of range.
    """
    check_bits(bits)
    channels = tensor.reshape(tensor.shape[1] if tensor.ndim > 1 else 1, -1)
    low, high = channels.min(axis=1), channels.max(axis=1)
    # A NaN or an infinity anywhere shows in the extremes.
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError(f"crossing tensor {name} holds NaN or infinity; check the model's weights")
    # In 64 bits, because the range of two finite 32-bit numbers can overflow.
    spread = high.astype(np.float64) - low
    if (spread > _MAX_SPREAD).any():
        raise InputError(f"crossing tensor {name} nears infinity; check the model's weights")
    levels = 2**bits - 1
    step = (spread / levels).astype(np.float32)
    divisor = np.where(step > 0, step, np.float32(1))
    symbols = (channels - low[:, None]) / divisor[:, None]
    np.rint(symbols, out=symbols)
    np.clip(symbols, 0, levels, out=symbols)
    dtype = np.uint8 if bits <= 8 else np.uint16
    return Quantised(tensor.shape, bits, low, step, pack(symbols.astype(dtype).ravel(), bits))


def dequantise(quantised: Quantised) -> Floats:
    """The values that the cloud works with."""
    count = int(np.prod(quantised.shape))
    symbols = unpack(quantised.payload, quantised.bits, count)
    channels = symbols.reshape(len(quantised.low), -1).astype(np.float32)
    channels *= quantised.step[:, None]
    channels += quantised.low[:, None]
    return channels.reshape(quantised.shape)


def pack(symbols: Symbols, bits: int) -> bytes:
    """Pack symbols of `bits` bits each without gaps between them.

    The symbols are cut into fields whose widths are the powers of two that add up to `bits`; each
    field is stored for all symbols before the next. Within a field, part k of the symbols shares
    its bytes with the other parts, so that packing is a few shifts of whole arrays.
    """
    return b"".join(
        _pack_field(((symbols >> shift) & (2**width - 1)).astype(np.uint8), width)
        for width, shift in _fields(bits)
    )


def unpack(payload: bytes, bits: int, count: int) -> Symbols:
    """The inverse of `pack`.

    Raises:
        ValueError: The payload has the wrong length.
    """
    sizes = [_field_bytes(count, width) for width, _ in _fields(bits)]
    if sum(sizes) != len(payload):
        raise ValueError(f"{len(payload)} bytes instead of {sum(sizes)}")
    symbols: Symbols = np.zeros(count, dtype=np.uint8 if bits <= 8 else np.uint16)
    offset = 0
    for (width, shift), size in zip(_fields(bits), sizes, strict=True):
        packed = np.frombuffer(payload, np.uint8, size, offset)
        symbols |= _unpack_field(packed, width, count).astype(symbols.dtype) << np.uint8(shift)
        offset += size
    return symbols


def _fields(bits: int) -> list[tuple[int, int]]:
    """(width, shift) of the fields, widest first: 11 bits are 8 + 2 + 1."""
    fields = []
    shift = bits
    for width in (8, 8, 4, 2, 1):
        if width <= shift:
            shift -= width
            fields.append((width, shift))
    return fields


def _field_bytes(count: int, width: int) -> int:
    return -(-count * width // 8)


def _pack_field(values: NDArray[np.uint8], width: int) -> bytes:
    parts = 8 // width
    size = _field_bytes(len(values), width)
    padded = np.zeros(size * parts, dtype=np.uint8)
    padded[: len(values)] = values
    planes = padded.reshape(parts, size)
    packed = planes[0].copy()
    for part in range(1, parts):
        packed |= planes[part] << (part * width)
    return bytes(packed.tobytes())


def _unpack_field(packed: NDArray[np.uint8], width: int, count: int) -> NDArray[np.uint8]:
    mask = np.uint8(2**width - 1)
    planes = [(packed >> (part * width)) & mask for part in range(8 // width)]
    return np.concatenate(planes)[:count]
