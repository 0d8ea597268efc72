"""One frame on the link: all crossing tensors of one input as one self-describing byte string.

docs/frame-format.md has the format byte by byte. Both sides know the cut: which tensors cross it,
of which shapes and types, and the calibrated ranges where there are any. The receiver compares all
that a frame says with that before it allocates anything, so that a frame from anywhere costs it no
more time and memory than a good one.
"""

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from splittool.codec.coders import CODERS, Format, PayloadError, decode
from splittool.codec.limits import MAX_BITS, MIN_BITS, check_bits
from splittool.codec.packing import Data, packed_bytes
from splittool.codec.quantise import Quantised, Ranges, dequantise, quantise
from splittool.errors import FrameError, InputError

Tensor = NDArray[Any]

MAGIC = b"SPLF"
VERSION = 1
CUT_ID_BYTES = 16

_HEADER = struct.Struct("<4sBBH16sQ")  # magic, version, 0, tensors, cut id, frame id
_ENTRY = struct.Struct("<BBBBI")  # type, format, bits, flags, payload length
# CRC-32 is in every language's standard library and sees any damage within 32 bits, and all but one
# in 4 * 10^9 of the rest. It is no proof of who sent the frame: that is the transport's to give.
_CHECKSUM = struct.Struct("<I")

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
    """How a tensor was quantised."""

    RANGES_IN_FRAME = 1
    ONE_RANGE = 2


_FLAGS = (Flags(0), Flags.RANGES_IN_FRAME, Flags.RANGES_IN_FRAME | Flags.ONE_RANGE)


@dataclass(frozen=True)
class TensorSpec:
    """What both sides know of a crossing tensor.

    Attributes:
        name: For messages.
        shape: (1, C, ...).
        dtype: Real numbers are quantised and come back as 32 bits; others go as they are.
        ranges: Calibrated ranges by bits.
        bits: The precisions a receiver accepts.
        formats: The formats a receiver accepts.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    ranges: Mapping[int, Ranges] = field(default_factory=dict)
    bits: frozenset[int] = frozenset(range(MIN_BITS, MAX_BITS + 1))
    formats: frozenset[Format] = frozenset(Format)

    @property
    def is_quantised(self) -> bool:
        """Whether it holds real numbers."""
        return self.dtype.kind == "f"


@dataclass(frozen=True)
class Sending:
    """How a sender sends a tensor.

    Attributes:
        bits: Of each element, 1 to 16; of real numbers only.
        coder: `raw`, `fast` or `small`.
        calibrated: With the ranges both sides know, instead of its own.
        per_channel: Of its own: one range for each channel, else one for all.
    """

    bits: int = 16
    coder: str = "fast"
    calibrated: bool = False
    per_channel: bool = True


class Received(NamedTuple):
    """What a frame held."""

    frame_id: int
    tensors: list[Tensor]


class _Entry(NamedTuple):
    """One line of a frame's table."""

    type: int
    form: Format
    bits: int
    flags: Flags
    length: int


def frame_cut_id(cut_sha256: str, calibration_sha256: str | None = None) -> bytes:
    """What a frame carries to show which cut, and which calibrated ranges, it was made with.

    Args:
        cut_sha256: Of cut.json, in hexadecimal.
        calibration_sha256: Of calibration.json where its ranges are used.

    Returns:
        16 bytes: the first of the cut's SHA-256, or of the SHA-256 of both, one after the other.
    """
    digest = bytes.fromhex(cut_sha256)
    if calibration_sha256 is not None:
        digest = hashlib.sha256(digest + bytes.fromhex(calibration_sha256)).digest()
    return digest[:CUT_ID_BYTES]


def encode_frame(
    cut_id: bytes,
    frame_id: int,
    specs: Sequence[TensorSpec],
    tensors: Sequence[Tensor],
    sendings: Sequence[Sending],
) -> bytes:
    """Quantise, code and frame the crossing tensors of one input.

    Args:
        cut_id: 16 bytes, from `frame_cut_id`.
        frame_id: 0 to 2^64 - 1; its meaning is the sender's.
        specs: What crosses.
        tensors: Their values, in the same order.
        sendings: How to send each.

    Raises:
        InputError: A tensor holds values that are not numbers, or is of an unknown type.
        UsageError: Bits are out of range.
        MissingExtraError: The coder is not installed.
    """
    entries, payloads = [], []
    for spec, tensor, sending in zip(specs, tensors, sendings, strict=True):
        entry, payload = _encode_tensor(spec, tensor, sending)
        entries.append(_ENTRY.pack(*entry))
        payloads.append(payload)
    header = _HEADER.pack(MAGIC, VERSION, 0, len(specs), cut_id, frame_id)
    body = b"".join([header, *entries, *payloads])
    return body + _CHECKSUM.pack(zlib.crc32(body))


def decode_frame(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> Received:
    """Tensors from a frame that may be anything.

    Args:
        frame: The bytes.
        cut_id: Of the receiver's cut.
        specs: What must be in it, in this order.

    Returns:
        The frame's number and its tensors; what was quantised is float32.

    Raises:
        FrameError: The frame is damaged, of another version or of another cut.
        MissingExtraError: A coder it needs is not installed.
    """
    frame_id = _check_header(frame, cut_id, specs)
    entries = _read_entries(frame, specs)
    offset = _HEADER.size + _ENTRY.size * len(specs)
    expected = offset + sum(entry.length for entry in entries) + _CHECKSUM.size
    if len(frame) != expected:
        raise FrameError(f"the frame has {len(frame)} bytes instead of {expected}; send it again")
    view = memoryview(frame)
    tensors = []
    for spec, entry in zip(specs, entries, strict=True):
        payload = view[offset : offset + entry.length]
        offset += entry.length
        try:
            tensors.append(_decode_tensor(spec, entry, payload))
        except PayloadError as error:
            raise FrameError(
                f"the frame's tensor {spec.name} is {error}; send it again, with the same cut"
            ) from None
    return Received(frame_id, tensors)


def largest_frame(specs: Sequence[TensorSpec]) -> int:
    """The bytes of the largest frame there can be, for the limits of a transport."""
    return _HEADER.size + _CHECKSUM.size + sum(_ENTRY.size + _largest(spec) for spec in specs)


def _encode_tensor(spec: TensorSpec, tensor: Tensor, sending: Sending) -> tuple[_Entry, bytes]:
    if tuple(tensor.shape) != spec.shape:
        raise InputError(
            f"crossing tensor {spec.name} has shape {tensor.shape}, not {spec.shape};"
            " make the cut again"
        )
    coder = CODERS[sending.coder]
    if not spec.is_quantised:
        raw = np.ascontiguousarray(tensor, dtype=spec.dtype.newbyteorder("<"))
        form, payload = coder(_as_bytes(raw), 8)
        return _Entry(_type_number(spec), form, 8, Flags(0), len(payload)), payload
    bits = check_bits(sending.bits)
    ranges = spec.ranges.get(bits) if sending.calibrated else None
    if sending.calibrated and ranges is None:
        raise InputError(
            f"crossing tensor {spec.name} is not calibrated for {bits} bits;"
            f" calibrate it: splittool calibrate --bits {bits}"
        )
    values = np.ascontiguousarray(tensor, dtype=np.float32)
    quantised = quantise(values, bits, spec.name, ranges, sending.per_channel)
    form, payload = coder(quantised.symbols, bits)
    flags = Flags(0)
    if ranges is None:
        flags = Flags.RANGES_IN_FRAME | (Flags(0) if sending.per_channel else Flags.ONE_RANGE)
        own = quantised.ranges
        payload = own.low.astype("<f4").tobytes() + own.step.astype("<f4").tobytes() + payload
    return _Entry(_QUANTISED, form, bits, flags, len(payload)), payload


def _check_header(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> int:
    """All that holds for the frame as a whole; returns its number."""
    least = _HEADER.size + _ENTRY.size * len(specs) + _CHECKSUM.size
    largest = largest_frame(specs)
    if len(frame) < _HEADER.size or frame[: len(MAGIC)] != MAGIC:
        raise FrameError("this is no frame of splittool; send what encode_frame made")
    _, version, zero, count, sender, frame_id = _HEADER.unpack_from(frame)
    if version != VERSION or zero:
        raise FrameError(
            f"the frame is of version {version}.{zero}, this splittool reads {VERSION}.0;"
            " use the same splittool on both sides"
        )
    if sender != cut_id:
        raise FrameError(
            f"the frame is of another cut or calibration, {sender.hex()} instead of"
            f" {cut_id.hex()}; give both sides the same cut.json and calibration.json"
        )
    if count != len(specs):
        raise FrameError(f"the frame holds {count} tensors instead of {len(specs)}; send it again")
    if not least <= len(frame) <= largest:
        raise FrameError(
            f"the frame has {len(frame)} bytes, not {least} to {largest}; send it again"
        )
    (checksum,) = _CHECKSUM.unpack_from(frame, len(frame) - _CHECKSUM.size)
    if zlib.crc32(memoryview(frame)[: -_CHECKSUM.size]) != checksum:
        raise FrameError("the frame was damaged on its way, its checksum differs; send it again")
    return int(frame_id)


def _read_entries(frame: bytes, specs: Sequence[TensorSpec]) -> list[_Entry]:
    """The table of tensors, compared with what must be there."""
    entries = []
    for index, spec in enumerate(specs):
        found = _ENTRY.unpack_from(frame, _HEADER.size + index * _ENTRY.size)
        problem = _entry_problem(spec, *found)
        if problem:
            raise FrameError(
                f"the frame's tensor {spec.name} {problem}; send it again, with the same cut"
            )
        number, form, bits, flags, length = found
        entries.append(_Entry(number, Format(form), bits, Flags(flags), length))
    return entries


def _entry_problem(
    spec: TensorSpec, number: int, form: int, bits: int, flags: int, length: int
) -> str | None:
    if number != (_QUANTISED if spec.is_quantised else _type_number(spec)):
        return f"has type {number}, not that of {spec.dtype}"
    if form not in spec.formats:
        return f"has format {form}, which is not accepted"
    if spec.is_quantised and bits not in spec.bits:
        return f"has {bits} bits, which are not accepted"
    if not spec.is_quantised and (bits != 8 or flags):
        return f"has {bits} bits and flags {flags} though it is not quantised"
    if flags not in _FLAGS:
        return f"has flags {flags}, which mean nothing"
    if spec.is_quantised and not flags and bits not in spec.ranges:
        return f"was quantised with calibrated ranges, and there are none for {bits} bits"
    largest = _range_bytes(spec, Flags(flags)) + _coded_bytes(spec, bits)
    if length > largest:
        return f"has {length} bytes, more than {largest}"
    return None


def _decode_tensor(spec: TensorSpec, entry: _Entry, payload: memoryview) -> Tensor:
    if not spec.is_quantised:
        shape = (*spec.shape, spec.dtype.itemsize)[: len(spec.shape) + (spec.dtype.itemsize > 1)]
        symbols = decode(entry.form, payload, shape, 8)
        if spec.dtype.kind == "b" and symbols.size and symbols.max() > 1:
            raise PayloadError("neither true nor false")
        little = np.frombuffer(symbols.tobytes(), spec.dtype.newbyteorder("<"))
        return little.astype(spec.dtype).reshape(spec.shape)
    size = _range_bytes(spec, entry.flags)
    ranges = (
        _read_ranges(payload[:size], size, entry.bits) if entry.flags else spec.ranges[entry.bits]
    )
    symbols = decode(entry.form, payload[size:], spec.shape, entry.bits)
    return dequantise(Quantised(symbols, entry.bits, ranges))


def _read_ranges(data: Data, size: int, bits: int) -> Ranges:
    if len(data) != size:
        raise PayloadError(f"too short for its ranges of {size} bytes")
    numbers = np.frombuffer(data, "<f4").astype(np.float32)
    low, step = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    # A range that the sender cannot have measured would bring infinities into the tail.
    with np.errstate(over="ignore", invalid="ignore"):
        last = low + step * np.float32(2**bits - 1)
    if not (np.isfinite(low).all() and np.isfinite(last).all() and (step >= 0).all()):
        raise PayloadError("quantised with ranges that are no numbers")
    return Ranges(low, step)


def _range_bytes(spec: TensorSpec, flags: Flags) -> int:
    if Flags.RANGES_IN_FRAME not in flags:
        return 0
    return 8 if Flags.ONE_RANGE in flags else 8 * (spec.shape[1] if len(spec.shape) > 1 else 1)


def _coded_bytes(spec: TensorSpec, bits: int) -> int:
    """The most that coded symbols take: as many as when packed."""
    size = int(np.prod(spec.shape, dtype=np.int64))
    return packed_bytes(size, bits) if spec.is_quantised else size * spec.dtype.itemsize


def _largest(spec: TensorSpec) -> int:
    ranges = max(8, _range_bytes(spec, Flags.RANGES_IN_FRAME)) if spec.is_quantised else 0
    # Not at the most bits: few symbols of 15 bits, in four fields, take more bytes than of 16.
    return ranges + max((_coded_bytes(spec, bits) for bits in spec.bits), default=0)


def _as_bytes(tensor: Tensor) -> NDArray[np.uint8]:
    """The bytes of whole numbers; those of one element are along a last axis of their own."""
    size = tensor.dtype.itemsize
    shape = tensor.shape if size == 1 else (*tensor.shape, size)
    return np.frombuffer(tensor.tobytes(), np.uint8).reshape(shape)


def _type_number(spec: TensorSpec) -> int:
    number = _TYPE_NUMBERS.get(spec.dtype.newbyteorder("<"))
    if number is None:
        raise InputError(
            f"crossing tensor {spec.name} is of type {spec.dtype}, which cannot be sent;"
            " cut elsewhere"
        )
    return number
