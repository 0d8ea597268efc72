"""Symbols of 1 to 16 bits: packed to bytes without gaps, and as what changed since a frame before.

Differences wrap around, so they need no more bits than the symbols, and no change is the middle
symbol, with small changes up and down beside it: image codecs like that better than a jump from
the first symbol to the last.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[Any]  # uint8 up to 8 bits, else uint16
Data = bytes | memoryview


def symbol_type(bits: int) -> np.dtype[Any]:
    """What holds a symbol in memory."""
    return np.dtype(np.uint8 if bits <= 8 else np.uint16)


def packed_bytes(count: int, bits: int) -> int:
    """How many bytes `pack` makes of `count` symbols."""
    return sum(_field_bytes(count, width) for width, _ in _fields(bits))


def pack(symbols: Symbols, bits: int) -> bytes:
    """Pack symbols of `bits` bits each without gaps between them.

    The symbols are cut into fields whose widths are the powers of two that add up to `bits`; each
    field is stored for all symbols before the next. Within a field, part k of the symbols shares
    its bytes with the other parts, so that packing is a few shifts of whole arrays.
    """
    flat = symbols.reshape(-1)
    fields = _fields(bits)
    if len(fields) == 1:
        return _pack_field(flat, bits)
    return b"".join(
        _pack_field(((flat >> shift) & (2**width - 1)).astype(np.uint8), width)
        for width, shift in fields
    )


def unpack(payload: Data, bits: int, count: int) -> Symbols:
    """The inverse of `pack`.

    Raises:
        ValueError: The payload has the wrong length, or bits after the last symbol are set.
    """
    fields = _fields(bits)
    length = len(payload)
    if length != packed_bytes(count, bits):
        raise ValueError(f"of {length} bytes instead of {packed_bytes(count, bits)}")
    symbols: Symbols = np.zeros(count, dtype=symbol_type(bits))
    offset = 0
    for width, shift in fields:
        size = _field_bytes(count, width)
        packed = np.frombuffer(payload, np.uint8, size, offset)
        values = _unpack_field(packed, width, count)
        if len(fields) == 1:
            return values
        symbols |= values.astype(symbols.dtype) << np.uint8(shift)
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


def _pack_field(values: Symbols, width: int) -> bytes:
    size = _field_bytes(len(values), width)
    packed = values[:size].copy()
    for part in range(1, 8 // width):
        # At the end of the last part there may be fewer symbols than bytes, or none.
        share = values[part * size : (part + 1) * size]
        packed[: len(share)] |= share << np.uint8(part * width)
    return packed.tobytes()


def _unpack_field(packed: NDArray[np.uint8], width: int, count: int) -> NDArray[np.uint8]:
    mask = np.uint8(2**width - 1)
    size = len(packed)
    values = np.empty(count, dtype=np.uint8)
    for part in range(8 // width):
        share = values[part * size : (part + 1) * size]
        np.right_shift(packed[: len(share)], np.uint8(part * width), out=share)
        share &= mask
        if (packed[len(share) :] >> np.uint8(part * width) & mask).any():
            raise ValueError("with padding that is not zero")
    return values


@dataclass
class History:
    """What one end of a link keeps of the last frame; empty before the first and when cleared.

    Attributes:
        checksum: The checksum of that frame.
        symbols: The symbols of each of its tensors, with their bits.
    """

    checksum: int | None = None
    symbols: list[tuple[Symbols, int]] = field(default_factory=list)

    def before(self, index: int, bits: int) -> Symbols | None:
        """The symbols of a tensor in the last frame, if there was one and of as many bits."""
        if self.checksum is None or self.symbols[index][1] != bits:
            return None
        return self.symbols[index][0]

    def ends_with(self, reference: int) -> bool:
        """Whether the last frame has this checksum, of which short frames name 24 bits."""
        return self.checksum is not None and reference in (self.checksum, self.checksum & 0xFFFFFF)

    def keep(self, checksum: int, symbols: list[tuple[Symbols, int]]) -> None:
        """Make this frame the last one."""
        self.checksum, self.symbols = checksum, symbols

    def clear(self) -> None:
        """Forget it, so that the next frame stands alone."""
        self.checksum, self.symbols = None, []


def changes(symbols: Symbols, before: Symbols, bits: int) -> Symbols:
    """What to add to the symbols before, plus half of their number, modulo their number.

    Args:
        symbols: From 0 to 2^bits - 1.
        before: Symbols of the same shape and bits.
        bits: Bits of each symbol.
    """
    half = symbols.dtype.type(2 ** (bits - 1))
    return _wrapped(symbols - before + half, bits)


def restore(changed: Symbols, before: Symbols, bits: int) -> Symbols:
    """The symbols that `changes` was given."""
    half = changed.dtype.type(2 ** (bits - 1))
    return _wrapped(changed + before - half, bits)


def _wrapped(numbers: Symbols, bits: int) -> Symbols:
    wrapped: Symbols = numbers & numbers.dtype.type(2**bits - 1)
    return wrapped
