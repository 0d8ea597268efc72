"""One crossing tensor in a frame: quantised or as it is, coded, and how the table describes it.

docs/frame-format.md has the format byte by byte. What a table's entry says is compared with what
both sides know before any of its payload is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from splittool.codec import learned
from splittool.codec.choices import MAX_BITS, MIN_BITS, check_bits
from splittool.codec.latent_model import LatentModel
from splittool.codec.payload import CODECS, Coded, Format, PayloadError, decode, encode_raw
from splittool.codec.quantiser import Quantised, Ranges, dequantise, quantise
from splittool.codec.symbols import Data, Symbols, changes, packed_bytes, restore
from splittool.errors import InputError

Tensor = NDArray[Any]

_QUANTISED = 0
# Tensors that hold no real numbers go as they are; the numbers are in the frame.
_TYPES = {
    1: "u1",
    2: "i1",
    3: "<u2",
    4: "<i2",
    5: "<u4",
    6: "<i4",
    7: "<u8",
    8: "<i8",
    9: "?",
}
_TYPE_NUMBERS = {np.dtype(name): number for number, name in _TYPES.items()}


class Flags(IntFlag):
    """How a tensor was quantised and coded."""

    RANGES_IN_FRAME = 1
    ONE_RANGE = 2
    CHANGES = 4


_OWN_RANGES = (Flags.RANGES_IN_FRAME, Flags.RANGES_IN_FRAME | Flags.ONE_RANGE)


@dataclass(frozen=True)
class TensorSpec:
    """What both sides know of a crossing tensor.

    Attributes:
        name: Its name, for messages.
        shape: (1, C, ...).
        dtype: Type of its elements. Real numbers are quantised and come back as 32 bits; others go
            as they are.
        ranges: Calibrated ranges by bits.
        bits: The bits of an element that a receiver accepts.
        formats: The formats that a receiver accepts.
        model: The model of codec `learned`, where there is one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    ranges: Mapping[int, Ranges] = field(default_factory=dict)
    bits: frozenset[int] = frozenset(range(MIN_BITS, MAX_BITS + 1))
    formats: frozenset[Format] = frozenset(Format)
    model: LatentModel | None = None

    @property
    def is_quantised(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind == "f"


@dataclass(frozen=True)
class Sending:
    """How a sender sends a tensor.

    Attributes:
        bits: Bits of an element, 1 to 16; for real numbers only.
        codec: `raw`, `fast`, `small` or, with a model, `learned`.
        calibrated: Use the ranges that both sides know, instead of the tensor's own.
        per_channel: Give each channel a range of its own, where ranges are the tensor's own.
    """

    bits: int = 16
    codec: str = "fast"
    calibrated: bool = False
    per_channel: bool = True


class Entry(NamedTuple):
    """What a frame's table says of one tensor, right or wrong.

    Attributes:
        type: 0 for real numbers, else the number of an integer type.
        form: A `Format`.
        bits: Bits of a symbol.
        flags: `Flags`.
        length: Bytes of the payload.
    """

    type: int
    form: int
    bits: int
    flags: int
    length: int


class TensorSymbols(NamedTuple):
    """A tensor as symbols.

    Attributes:
        symbols: What is coded.
        bits: Bits of each symbol.
        flags: Where its ranges are, and how many.
        ranges: The ranges as bytes, where they are in the frame.
    """

    symbols: Symbols
    bits: int
    flags: Flags
    ranges: bytes


def to_symbols(spec: TensorSpec, tensor: Tensor, sending: Sending) -> TensorSymbols:
    """Quantise real numbers, or take the bytes of others.

    Raises:
        InputError: The tensor has another shape, holds NaN or infinity, or is not calibrated.
        UsageError: Bits are out of range.
    """
    if tuple(tensor.shape) != spec.shape:
        raise InputError(
            f"crossing tensor {spec.name} has shape {tensor.shape}, not {spec.shape};"
            " make the cut again"
        )
    if not spec.is_quantised:
        raw = np.ascontiguousarray(tensor, dtype=spec.dtype.newbyteorder("<"))
        return TensorSymbols(_as_bytes(raw), 8, Flags(0), b"")
    bits = check_bits(sending.bits)
    ranges = spec.ranges.get(bits) if sending.calibrated else None
    if sending.calibrated and ranges is None:
        raise InputError(
            f"crossing tensor {spec.name} is not calibrated for {bits} bits;"
            f" calibrate it: splittool calibrate --bits {bits}"
        )
    values = np.ascontiguousarray(tensor, dtype=np.float32)
    quantised = quantise(values, bits, spec.name, ranges, sending.per_channel)
    if ranges is not None:
        return TensorSymbols(quantised.symbols, bits, Flags(0), b"")
    own = quantised.ranges
    flags = Flags.RANGES_IN_FRAME | (Flags(0) if sending.per_channel else Flags.ONE_RANGE)
    sent = own.low.astype("<f4").tobytes() + own.step.astype("<f4").tobytes()
    return TensorSymbols(quantised.symbols, bits, flags, sent)


def encode_tensor(
    spec: TensorSpec, sent: TensorSymbols, codec: str, before: Symbols | None
) -> tuple[Entry, bytes]:
    """Code symbols as they are or, if that is smaller, what changed since those before.

    Returns:
        The table's entry and the payload.

    Raises:
        InputError: The tensor has a type that cannot be sent, or no model for codec `learned`.
        MissingExtraError: The codec needs a package that is not installed.
    """
    flags = sent.flags
    form, coded = _encode_symbols(spec, sent, codec)
    if before is not None and codec != "learned":
        smaller = CODECS[codec](changes(sent.symbols, before, sent.bits), sent.bits)
        if len(smaller.payload) < len(coded):
            flags, (form, coded) = Flags.CHANGES, smaller
    payload = sent.ranges + coded
    return Entry(type_number(spec), form, sent.bits, flags, len(payload)), payload


def _encode_symbols(spec: TensorSpec, sent: TensorSymbols, codec: str) -> Coded:
    if codec != "learned":
        return CODECS[codec](sent.symbols, sent.bits)
    if spec.model is None or not spec.is_quantised:
        raise InputError(
            f"crossing tensor {spec.name} has no model for codec 'learned'; use another codec"
        )
    coded = learned.encode(spec.model, sent.symbols)
    packed = encode_raw(sent.symbols, sent.bits)
    return Coded(Format.LEARNED, coded) if len(coded) < len(packed.payload) else packed


def entry_problem(spec: TensorSpec, entry: Entry, has_past: bool) -> str | None:
    """What is wrong with a table's entry, or None; `has_past` is whether changes can be undone."""
    form, bits, flags = entry.form, entry.bits, entry.flags
    if entry.type != type_number(spec):
        return f"has type {entry.type}, not that of {spec.dtype}"
    if form not in spec.formats or (form == Format.LEARNED and spec.model is None):
        return f"has format {form}, which is not accepted"
    if spec.is_quantised and bits not in spec.bits:
        return f"has {bits} bits, which are not accepted"
    if not spec.is_quantised and (bits != 8 or flags in _OWN_RANGES):
        return f"has {bits} bits and flags {flags} though it is not quantised"
    if flags not in (0, Flags.CHANGES, *_OWN_RANGES):
        return f"has flags {flags}, which mean nothing"
    if form == Format.LEARNED and (flags == Flags.CHANGES or not spec.is_quantised):
        return f"has format {form}, which does not go with flags {flags} and {spec.dtype}"
    if flags == Flags.CHANGES and not has_past:
        return f"says what changed, and the frame before had no tensor of {bits} bits there"
    if spec.is_quantised and flags not in _OWN_RANGES and bits not in spec.ranges:
        return f"was quantised with calibrated ranges, and there are none for {bits} bits"
    largest = _range_bytes(spec, flags) + _coded_bytes(spec, bits)
    if entry.length > largest:
        return f"has {entry.length} bytes, more than {largest}"
    return None


def decode_tensor(
    spec: TensorSpec, entry: Entry, payload: memoryview | bytes, before: Symbols | None
) -> TensorSymbols:
    """Symbols from a payload that may be anything; the entry was found to be in order.

    Raises:
        PayloadError: The payload is damaged or of another tensor.
        MissingExtraError: The codec needs a package that is not installed.
    """
    flags, size = Flags(entry.flags), _range_bytes(spec, entry.flags)
    if len(payload) < size:
        raise PayloadError(f"too short for its ranges of {size} bytes")
    coded = payload[size:]
    if entry.form == Format.LEARNED and spec.model is not None:
        symbols = learned.decode_symbols(spec.model, bytes(coded), spec.shape, entry.bits)
    else:
        shape = spec.shape if spec.is_quantised else _bytes_shape(spec.shape, spec.dtype)
        symbols = decode(Format(entry.form), coded, shape, entry.bits)
    if Flags.CHANGES in flags and before is not None:
        symbols = restore(symbols, before, entry.bits)
    return TensorSymbols(symbols, entry.bits, flags, bytes(payload[:size]))


def to_tensor(spec: TensorSpec, sent: TensorSymbols) -> Tensor:
    """The values that symbols stand for, in the tensor's shape; real numbers in 32 bits.

    Raises:
        PayloadError: The ranges are not finite, or a truth value is neither true nor false.
    """
    if spec.is_quantised:
        in_frame = Flags.RANGES_IN_FRAME in sent.flags
        ranges = _read_ranges(sent.ranges, sent.bits) if in_frame else spec.ranges[sent.bits]
        return dequantise(Quantised(sent.symbols, sent.bits, ranges))
    if spec.dtype.kind == "b" and sent.symbols.size and sent.symbols.max() > 1:
        raise PayloadError("neither true nor false")
    little = np.frombuffer(sent.symbols.tobytes(), spec.dtype.newbyteorder("<"))
    return little.astype(spec.dtype).reshape(spec.shape)


def largest_payload(spec: TensorSpec) -> int:
    """The bytes of the largest payload that a frame may hold for a tensor."""
    ranges = max(8, _range_bytes(spec, Flags.RANGES_IN_FRAME)) if spec.is_quantised else 0
    # Not at the most bits: few symbols of 15 bits, in four fields, take more bytes than of 16.
    return ranges + max((_coded_bytes(spec, bits) for bits in spec.bits), default=0)


def type_number(spec: TensorSpec) -> int:
    """What a frame's table calls the type of a tensor.

    Raises:
        InputError: The tensor has a type that cannot be sent.
    """
    if spec.is_quantised:
        return _QUANTISED
    number = _TYPE_NUMBERS.get(spec.dtype.newbyteorder("<"))
    if number is None:
        raise InputError(
            f"crossing tensor {spec.name} is of type {spec.dtype}, which cannot be sent;"
            " cut elsewhere"
        )
    return number


def _read_ranges(data: Data, bits: int) -> Ranges:
    numbers = np.frombuffer(data, "<f4").astype(np.float32)
    low, step = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    # A range that the sender cannot have measured would bring infinities into the tail.
    with np.errstate(over="ignore", invalid="ignore"):
        last = low + step * np.float32(2**bits - 1)
    if not (np.isfinite(low).all() and np.isfinite(last).all() and (step >= 0).all()):
        raise PayloadError("quantised with ranges that are not finite numbers")
    return Ranges(low, step)


def _range_bytes(spec: TensorSpec, flags: int) -> int:
    if not flags & Flags.RANGES_IN_FRAME:
        return 0
    return 8 if flags & Flags.ONE_RANGE else 8 * (spec.shape[1] if len(spec.shape) > 1 else 1)


def _coded_bytes(spec: TensorSpec, bits: int) -> int:
    """The most that coded symbols take: as many as when packed."""
    size = int(np.prod(spec.shape, dtype=np.int64))
    return packed_bytes(size, bits) if spec.is_quantised else size * spec.dtype.itemsize


def _as_bytes(tensor: Tensor) -> NDArray[np.uint8]:
    """The bytes of whole numbers; those of one element are along a last axis of their own."""
    return np.frombuffer(tensor.tobytes(), np.uint8).reshape(
        _bytes_shape(tensor.shape, tensor.dtype)
    )


def _bytes_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    return shape if dtype.itemsize == 1 else (*shape, dtype.itemsize)
