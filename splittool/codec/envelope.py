"""What is around the payloads of a frame: header, table and checksum, in a long and a short form.

The long form, versions 1 and 2, describes itself in full. The short form, version 3, adds 6 bytes
to one tensor and is for frames that are hardly longer than a header.
docs/frame-format.md has both byte by byte.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from splittool.codec.tensors import Entry, Flags, TensorSpec, largest_payload, type_number
from splittool.errors import DamagedFrameError, FrameError, OtherCutError

MAGIC = b"SPLF"
WHOLE, PREDICTED, SHORT = 1, 2, 3  # versions
CUT_ID_BYTES = 16

_HEADER = struct.Struct("<4sBBH16sQ")  # magic, version, 0, tensors, cut id, frame id
_ENTRY = struct.Struct("<BBBBI")  # type, format, bits, flags, payload length
# CRC-32 is in every language's standard library and sees any damage within 32 bits, and all but one
# in 4 * 10^9 of the rest. It does not prove who sent the frame: that is for the transport to do.
_CHECKSUM = struct.Struct("<I")
_REFERENCE = _CHECKSUM  # in a predicted frame after the header: the checksum of the frame before

_SHORT = 0xE0  # the first byte of a short frame, with two flags
_NUMBERED, _CHANGES = 1, 2
_SHORT_CHECKSUM = 3  # bytes: the low ones of a CRC-32 that covers the whole cut id, too
_SHORT_MASK = 2 ** (8 * _SHORT_CHECKSUM) - 1
_SHORT_RANGES = (
    Flags(0),
    Flags.RANGES_IN_FRAME,
    Flags.RANGES_IN_FRAME | Flags.ONE_RANGE,
    Flags.CHANGES,
)
_LONGEST_NUMBER = 10  # bytes of a number of 64 bits, seven in each


class Envelope(NamedTuple):
    """A frame without its payloads' meaning.

    Attributes:
        frame_id: The sender's number, 0 to 2^64 - 1.
        reference: The checksum of the frame that this one was predicted from, or None.
        entries: What the table says of each tensor; compare it before you believe it.
        payloads: The coded tensors, which may have other lengths than the table says.
    """

    frame_id: int
    reference: int | None
    entries: Sequence[Entry]
    payloads: Sequence[bytes | memoryview]


def seal(cut_id: bytes, envelope: Envelope, short: bool) -> tuple[bytes, int]:
    """A frame, and its checksum.

    Args:
        cut_id: 16 bytes, from `frame_cut_id`.
        envelope: What is in it.
        short: In the short form.
    """
    if short:
        return _seal_short(cut_id, envelope)
    version = WHOLE if envelope.reference is None else PREDICTED
    count = len(envelope.entries)
    parts = [_HEADER.pack(MAGIC, version, 0, count, cut_id, envelope.frame_id)]
    if envelope.reference is not None:
        parts.append(_REFERENCE.pack(envelope.reference))
    parts += [_ENTRY.pack(*entry) for entry in envelope.entries]
    body = b"".join([*parts, *envelope.payloads])
    checksum = zlib.crc32(body)
    return body + _CHECKSUM.pack(checksum), checksum


def open_frame(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[Envelope, int]:
    """What is in a frame that may be anything, and its checksum.

    Args:
        frame: The bytes.
        cut_id: The id of the receiver's cut, 16 bytes.
        specs: What must be in it, in this order.

    Raises:
        FrameError: The frame is damaged, of another version or of another cut.
    """
    if frame and frame[0] & ~(_NUMBERED | _CHANGES) == _SHORT:
        return _open_short(frame, cut_id, specs)
    return _open_long(frame, cut_id, specs)


def largest_frame(specs: Sequence[TensorSpec]) -> int:
    """The bytes of the largest frame there can be, for the limits of a transport."""
    fixed = _table_offset(PREDICTED) + _CHECKSUM.size
    return fixed + sum(_ENTRY.size + largest_payload(spec) for spec in specs)


def _open_long(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[Envelope, int]:
    version, frame_id, checksum = _check_header(frame, cut_id, specs)
    reference = None
    if version == PREDICTED:
        (reference,) = _REFERENCE.unpack_from(frame, _HEADER.size)
    table = _table_offset(version)
    offset = table + _ENTRY.size * len(specs)
    entries = [Entry(*each) for each in _ENTRY.iter_unpack(frame[table:offset])]
    body = memoryview(frame)[: -_CHECKSUM.size]
    return Envelope(frame_id, reference, entries, _split(body, offset, entries)), checksum


def _check_header(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[int, int, int]:
    """All that holds for the frame as a whole; returns its version, number and checksum."""
    if len(frame) < _HEADER.size or frame[: len(MAGIC)] != MAGIC:
        raise FrameError("not a splittool frame (bad magic bytes); send what encode_frame returned")
    _, version, zero, count, sender, frame_id = _HEADER.unpack_from(frame)
    if version not in (WHOLE, PREDICTED) or zero:
        raise FrameError(
            f"the frame has version {version}.{zero}, and this splittool reads {WHOLE}.0 and"
            f" {PREDICTED}.0; use the same splittool on both sides"
        )
    if sender != cut_id:
        raise OtherCutError(
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
        raise DamagedFrameError(
            "the frame was damaged on its way, its checksum differs; send it again"
        )
    return version, frame_id, checksum


def _table_offset(version: int) -> int:
    return _HEADER.size + (_REFERENCE.size if version == PREDICTED else 0)


def _split(body: memoryview, offset: int, entries: Sequence[Entry]) -> list[memoryview]:
    """The payloads; the last one takes what is left, so that no byte is overlooked."""
    payloads = []
    for entry in entries[:-1]:
        payloads.append(body[offset : offset + entry.length])
        offset += entry.length
    return [*payloads, body[offset:]] if entries else []


def _seal_short(cut_id: bytes, envelope: Envelope) -> tuple[bytes, int]:
    first = _SHORT
    parts = []
    if envelope.frame_id:
        first |= _NUMBERED
        parts.append(_number(envelope.frame_id))
    if envelope.reference is not None:
        first |= _CHANGES
        parts.append((envelope.reference & _SHORT_MASK).to_bytes(_SHORT_CHECKSUM, "little"))
    for index, entry in enumerate(envelope.entries):
        ranges = _SHORT_RANGES.index(Flags(entry.flags))
        parts.append(bytes([entry.form << 6 | ranges << 4 | entry.bits - 1]))
        if index < len(envelope.entries) - 1:
            parts.append(_number(entry.length))
    body = b"".join([bytes([first]), cut_id[:1], *parts, *envelope.payloads])
    checksum = zlib.crc32(cut_id + body) & _SHORT_MASK
    return body + checksum.to_bytes(_SHORT_CHECKSUM, "little"), checksum


def _open_short(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[Envelope, int]:
    largest = largest_frame(specs)
    if not 2 + len(specs) + _SHORT_CHECKSUM <= len(frame) <= largest:
        raise FrameError(f"the short frame has {len(frame)} bytes, too few or more than {largest}")
    if frame[1:2] != cut_id[:1]:
        raise OtherCutError(
            "the frame is of another cut or calibration; give both sides the same cut.json and"
            " calibration.json"
        )
    body, end = frame[:-_SHORT_CHECKSUM], frame[-_SHORT_CHECKSUM:]
    checksum = int.from_bytes(end, "little")
    if zlib.crc32(cut_id + body) & _SHORT_MASK != checksum:
        raise DamagedFrameError(
            "the frame was damaged on its way or is of another cut, its checksum differs; send it"
            " again"
        )
    at, frame_id, reference = 2, 0, None
    if frame[0] & _NUMBERED:
        frame_id, at = _read_number(body, at)
        if frame_id == 0:
            raise FrameError("the frame's number is 0 and written all the same; send it again")
    if frame[0] & _CHANGES:
        reference = int.from_bytes(body[at : at + _SHORT_CHECKSUM], "little")
        at += _SHORT_CHECKSUM
    entries, at = _short_table(body, at, specs)
    return Envelope(frame_id, reference, entries, _split(memoryview(body), at, entries)), checksum


def _short_table(body: bytes, at: int, specs: Sequence[TensorSpec]) -> tuple[list[Entry], int]:
    """The table, whose last length is what is left, and where the payloads begin."""
    entries = []
    for index, spec in enumerate(specs):
        if at >= len(body):
            raise FrameError("the frame ends in its table of tensors; send it again")
        packed, length = body[at], 0
        at += 1
        if index < len(specs) - 1:
            length, at = _read_number(body, at)
        flags = _SHORT_RANGES[packed >> 4 & 3]
        entries.append(Entry(type_number(spec), packed >> 6, (packed & 15) + 1, flags, length))
    if entries:
        left = len(body) - at - sum(entry.length for entry in entries)
        entries[-1] = entries[-1]._replace(length=left)
        if left < 0:
            raise FrameError(
                f"the frame is {-left} bytes shorter than its table says; send it again"
            )
    elif at != len(body):
        raise FrameError("the frame goes on after its end; send it again")
    return entries, at


def _number(value: int) -> bytes:
    """LEB128: seven bits in a byte, the lowest first; a byte that is not the last adds 128."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _read_number(body: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for position, byte in enumerate(body[at : at + _LONGEST_NUMBER]):
        value |= (byte & 127) << 7 * position
        if byte < 128:
            if value >= 2**64 or (byte == 0 and position):
                break
            return value, at + position + 1
    raise FrameError("the frame has a number that ends nowhere or too late; send it again")
