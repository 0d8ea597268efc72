"""One frame on the link: all crossing tensors of one input as one self-describing byte string.

docs/frame-format.md has the format byte by byte. Both sides know the cut: which tensors cross it,
of which shapes and types, and the calibrated ranges where there are any. The receiver compares all
that a frame says with that before it allocates anything, so that a frame from anywhere costs it no
more time and memory than a good one.

Where frames follow each other in time, both sides can keep a `History`, and tensors are sent as
what changed since the frame before wherever that takes fewer bytes.
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
from splittool.codec.packing import Data, Symbols, packed_bytes
from splittool.codec.prediction import changes, restore
from splittool.codec.quantise import Quantised, Ranges, dequantise, quantise
from splittool.errors import FrameError, InputError

Tensor = NDArray[Any]

MAGIC = b"SPLF"
WHOLE, PREDICTED = 1, 2  # versions: a frame that stands alone, or one that needs the frame before
CUT_ID_BYTES = 16

_HEADER = struct.Struct("<4sBBH16sQ")  # magic, version, 0, tensors, cut id, frame id
_ENTRY = struct.Struct("<BBBBI")  # type, format, bits, flags, payload length
# CRC-32 is in every language's standard library and sees any damage within 32 bits, and all but one
# in 4 * 10^9 of the rest. It is no proof of who sent the frame: that is the transport's to give.
_CHECKSUM = struct.Struct("<I")
_REFERENCE = _CHECKSUM  # in a predicted frame after the header: the checksum of the frame before

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


@dataclass
class History:
    """What one end of a link keeps of the last frame; empty before the first and when cleared.

    Attributes:
        checksum: Of that frame.
        symbols: Of each of its tensors, with their bits.
    """

    checksum: int | None = None
    symbols: list[tuple[Symbols, int]] = field(default_factory=list)

    def before(self, index: int, bits: int) -> Symbols | None:
        """The symbols of a tensor in the last frame, if there was one and of as many bits."""
        if self.checksum is None or self.symbols[index][1] != bits:
            return None
        return self.symbols[index][0]

    def keep(self, frame: bytes, symbols: list[tuple[Symbols, int]]) -> None:
        """Let this frame be the last."""
        (self.checksum,) = _CHECKSUM.unpack_from(frame, len(frame) - _CHECKSUM.size)
        self.symbols = symbols

    def clear(self) -> None:
        """Forget it, so that the next frame stands alone."""
        self.checksum, self.symbols = None, []


class _Entry(NamedTuple):
    """One line of a frame's table."""

    type: int
    form: Format
    bits: int
    flags: Flags
    length: int


class _Sent(NamedTuple):
    """A tensor as symbols.

    Attributes:
        symbols: What is coded.
        bits: Of each.
        flags: Of its ranges.
        ranges: The ranges as bytes, where they are in the frame.
    """

    symbols: Symbols
    bits: int
    flags: Flags
    ranges: bytes


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
    history: History | None = None,
) -> bytes:
    """Quantise, code and frame the crossing tensors of one input.

    Args:
        cut_id: 16 bytes, from `frame_cut_id`.
        frame_id: 0 to 2^64 - 1; its meaning is the sender's.
        specs: What crosses.
        tensors: Their values, in the same order.
        sendings: How to send each.
        history: The sender's, to predict from; this frame becomes the last in it. Tensors with
            ranges of their own are not predicted: the same symbol means another value each time.

    Raises:
        InputError: A tensor holds values that are not numbers, or is of an unknown type.
        UsageError: Bits are out of range.
        MissingExtraError: The coder is not installed.
    """
    entries, payloads, kept = [], [], []
    for index, (spec, tensor, sending) in enumerate(zip(specs, tensors, sendings, strict=True)):
        sent = _to_symbols(spec, tensor, sending)
        before = (
            history.before(index, sent.bits) if history is not None and not sent.flags else None
        )
        entry, payload = _encode_tensor(spec, sent, sending.coder, before)
        entries.append(entry)
        payloads.append(payload)
        kept.append((sent.symbols, sent.bits))
    predicted = any(Flags.CHANGES in entry.flags for entry in entries)
    version = PREDICTED if predicted else WHOLE
    parts = [_HEADER.pack(MAGIC, version, 0, len(specs), cut_id, frame_id)]
    if history is not None and predicted:
        parts.append(_REFERENCE.pack(history.checksum))
    body = b"".join([*parts, *(_ENTRY.pack(*entry) for entry in entries), *payloads])
    frame = body + _CHECKSUM.pack(zlib.crc32(body))
    if history is not None:
        history.keep(frame, kept)
    return frame


def decode_frame(
    frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec], history: History | None = None
) -> Received:
    """Tensors from a frame that may be anything.

    Args:
        frame: The bytes.
        cut_id: Of the receiver's cut.
        specs: What must be in it, in this order.
        history: The receiver's; a good frame becomes the last in it. Without one, only frames that
            stand alone can be read.

    Returns:
        The frame's number and its tensors; what was quantised is float32.

    Raises:
        FrameError: The frame is damaged, of another version or of another cut, or was predicted
            from another frame than the receiver's last.
        MissingExtraError: A coder it needs is not installed.
    """
    version, frame_id = _check_header(frame, cut_id, specs)
    past = _check_reference(frame, history) if version == PREDICTED else History()
    table = _table_offset(version)
    entries = _read_entries(frame, table, specs, past)
    offset = table + _ENTRY.size * len(specs)
    expected = offset + sum(entry.length for entry in entries) + _CHECKSUM.size
    if len(frame) != expected:
        raise FrameError(f"the frame has {len(frame)} bytes instead of {expected}; send it again")
    view = memoryview(frame)
    tensors, kept = [], []
    for index, (spec, entry) in enumerate(zip(specs, entries, strict=True)):
        payload = view[offset : offset + entry.length]
        offset += entry.length
        try:
            sent = _decode_tensor(spec, entry, payload, past.before(index, entry.bits))
            tensors.append(_to_tensor(spec, sent))
        except PayloadError as error:
            raise FrameError(
                f"the frame's tensor {spec.name} is {error}; send it again, with the same cut"
            ) from None
        kept.append((sent.symbols, sent.bits))
    if history is not None:
        history.keep(frame, kept)
    return Received(frame_id, tensors)


def largest_frame(specs: Sequence[TensorSpec]) -> int:
    """The bytes of the largest frame there can be, for the limits of a transport."""
    fixed = _table_offset(PREDICTED) + _CHECKSUM.size
    return fixed + sum(_ENTRY.size + _largest(spec) for spec in specs)


def _to_symbols(spec: TensorSpec, tensor: Tensor, sending: Sending) -> _Sent:
    if tuple(tensor.shape) != spec.shape:
        raise InputError(
            f"crossing tensor {spec.name} has shape {tensor.shape}, not {spec.shape};"
            " make the cut again"
        )
    if not spec.is_quantised:
        raw = np.ascontiguousarray(tensor, dtype=spec.dtype.newbyteorder("<"))
        return _Sent(_as_bytes(raw), 8, Flags(0), b"")
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
        return _Sent(quantised.symbols, bits, Flags(0), b"")
    own = quantised.ranges
    flags = Flags.RANGES_IN_FRAME | (Flags(0) if sending.per_channel else Flags.ONE_RANGE)
    sent = own.low.astype("<f4").tobytes() + own.step.astype("<f4").tobytes()
    return _Sent(quantised.symbols, bits, flags, sent)


def _encode_tensor(
    spec: TensorSpec, sent: _Sent, coder: str, before: Symbols | None
) -> tuple[_Entry, bytes]:
    """Code symbols as they are or, if that is smaller, what changed since those before."""
    flags = sent.flags
    form, coded = CODERS[coder](sent.symbols, sent.bits)
    if before is not None:
        smaller = CODERS[coder](changes(sent.symbols, before, sent.bits), sent.bits)
        if len(smaller.payload) < len(coded):
            flags, (form, coded) = Flags.CHANGES, smaller
    payload = sent.ranges + coded
    number = _QUANTISED if spec.is_quantised else _type_number(spec)
    return _Entry(number, form, sent.bits, flags, len(payload)), payload


def _table_offset(version: int) -> int:
    return _HEADER.size + (_REFERENCE.size if version == PREDICTED else 0)


def _check_header(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[int, int]:
    """All that holds for the frame as a whole; returns its version and its number."""
    if len(frame) < _HEADER.size or frame[: len(MAGIC)] != MAGIC:
        raise FrameError("this is no frame of splittool; send what encode_frame made")
    _, version, zero, count, sender, frame_id = _HEADER.unpack_from(frame)
    if version not in (WHOLE, PREDICTED) or zero:
        raise FrameError(
            f"the frame is of version {version}.{zero}, this splittool reads {WHOLE}.0 and"
            f" {PREDICTED}.0; use the same splittool on both sides"
        )
    if sender != cut_id:
        raise FrameError(
            f"the frame is of another cut or calibration, {sender.hex()} instead of"
            f" {cut_id.hex()}; give both sides the same cut.json and calibration.json"
        )
    if count != len(specs):
        raise FrameError(f"the frame holds {count} tensors instead of {len(specs)}; send it again")
    least = _table_offset(version) + _ENTRY.size * len(specs) + _CHECKSUM.size
    largest = largest_frame(specs)
    if not least <= len(frame) <= largest:
        raise FrameError(
            f"the frame has {len(frame)} bytes, not {least} to {largest}; send it again"
        )
    (checksum,) = _CHECKSUM.unpack_from(frame, len(frame) - _CHECKSUM.size)
    if zlib.crc32(memoryview(frame)[: -_CHECKSUM.size]) != checksum:
        raise FrameError("the frame was damaged on its way, its checksum differs; send it again")
    return version, int(frame_id)


def _check_reference(frame: bytes, history: History | None) -> History:
    """The receiver's history, if its last frame is the one that this frame was predicted from."""
    (reference,) = _REFERENCE.unpack_from(frame, _HEADER.size)
    if history is None or history.checksum != reference:
        raise FrameError(
            "the frame says what changed since another frame than the last one received;"
            " send one that stands alone"
        )
    return history


def _read_entries(
    frame: bytes, table: int, specs: Sequence[TensorSpec], past: History
) -> list[_Entry]:
    """The table of tensors, compared with what must be there."""
    entries = []
    for index, spec in enumerate(specs):
        number, form, bits, flags, length = _ENTRY.unpack_from(frame, table + index * _ENTRY.size)
        has_past = past.before(index, bits) is not None
        problem = _entry_problem(spec, number, form, bits, flags, length, has_past)
        if problem:
            raise FrameError(
                f"the frame's tensor {spec.name} {problem}; send it again, with the same cut"
            )
        entries.append(_Entry(number, Format(form), bits, Flags(flags), length))
    return entries


def _entry_problem(
    spec: TensorSpec, number: int, form: int, bits: int, flags: int, length: int, has_past: bool
) -> str | None:
    if number != (_QUANTISED if spec.is_quantised else _type_number(spec)):
        return f"has type {number}, not that of {spec.dtype}"
    if form not in spec.formats:
        return f"has format {form}, which is not accepted"
    if spec.is_quantised and bits not in spec.bits:
        return f"has {bits} bits, which are not accepted"
    if not spec.is_quantised and (bits != 8 or flags in _OWN_RANGES):
        return f"has {bits} bits and flags {flags} though it is not quantised"
    if flags not in (0, Flags.CHANGES, *_OWN_RANGES):
        return f"has flags {flags}, which mean nothing"
    if flags == Flags.CHANGES and not has_past:
        return f"says what changed, and the frame before had no tensor of {bits} bits there"
    if spec.is_quantised and flags not in _OWN_RANGES and bits not in spec.ranges:
        return f"was quantised with calibrated ranges, and there are none for {bits} bits"
    largest = _range_bytes(spec, Flags(flags)) + _coded_bytes(spec, bits)
    if length > largest:
        return f"has {length} bytes, more than {largest}"
    return None


def _decode_tensor(
    spec: TensorSpec, entry: _Entry, payload: memoryview, before: Symbols | None
) -> _Sent:
    size = _range_bytes(spec, entry.flags)
    if len(payload) < size:
        raise PayloadError(f"too short for its ranges of {size} bytes")
    shape = spec.shape if spec.is_quantised else _bytes_shape(spec.shape, spec.dtype)
    symbols = decode(entry.form, payload[size:], shape, entry.bits)
    if Flags.CHANGES in entry.flags and before is not None:
        symbols = restore(symbols, before, entry.bits)
    return _Sent(symbols, entry.bits, entry.flags, bytes(payload[:size]))


def _to_tensor(spec: TensorSpec, sent: _Sent) -> Tensor:
    if spec.is_quantised:
        in_frame = Flags.RANGES_IN_FRAME in sent.flags
        ranges = _read_ranges(sent.ranges, sent.bits) if in_frame else spec.ranges[sent.bits]
        return dequantise(Quantised(sent.symbols, sent.bits, ranges))
    if spec.dtype.kind == "b" and sent.symbols.size and sent.symbols.max() > 1:
        raise PayloadError("neither true nor false")
    little = np.frombuffer(sent.symbols.tobytes(), spec.dtype.newbyteorder("<"))
    return little.astype(spec.dtype).reshape(spec.shape)


def _read_ranges(data: Data, bits: int) -> Ranges:
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
    return np.frombuffer(tensor.tobytes(), np.uint8).reshape(
        _bytes_shape(tensor.shape, tensor.dtype)
    )


def _bytes_shape(shape: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[int, ...]:
    return shape if dtype.itemsize == 1 else (*shape, dtype.itemsize)


def _type_number(spec: TensorSpec) -> int:
    number = _TYPE_NUMBERS.get(spec.dtype.newbyteorder("<"))
    if number is None:
        raise InputError(
            f"crossing tensor {spec.name} is of type {spec.dtype}, which cannot be sent;"
            " cut elsewhere"
        )
    return number
