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
from collections.abc import Sequence
from typing import NamedTuple

from splittool.codec.payload import Format, PayloadError
from splittool.codec.prediction import History
from splittool.codec.tensors import (
    Entry,
    Flags,
    Sending,
    Tensor,
    TensorSpec,
    decode_tensor,
    encode_tensor,
    entry_problem,
    largest_payload,
    to_symbols,
    to_tensor,
)
from splittool.errors import FrameError

MAGIC = b"SPLF"
WHOLE, PREDICTED = 1, 2  # versions: a frame that stands alone, or one that needs the frame before
CUT_ID_BYTES = 16

_HEADER = struct.Struct("<4sBBH16sQ")  # magic, version, 0, tensors, cut id, frame id
_ENTRY = struct.Struct("<BBBBI")  # type, format, bits, flags, payload length
# CRC-32 is in every language's standard library and sees any damage within 32 bits, and all but one
# in 4 * 10^9 of the rest. It is no proof of who sent the frame: that is the transport's to give.
_CHECKSUM = struct.Struct("<I")
_REFERENCE = _CHECKSUM  # in a predicted frame after the header: the checksum of the frame before


class Received(NamedTuple):
    """What a frame held."""

    frame_id: int
    tensors: list[Tensor]


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
        MissingExtraError: The codec is not installed.
    """
    past = History() if history is None else history
    entries, payloads, kept = [], [], []
    predicted = False
    for index, (spec, tensor, sending) in enumerate(zip(specs, tensors, sendings, strict=True)):
        sent = to_symbols(spec, tensor, sending)
        before = None if sent.flags else past.before(index, sent.bits)
        entry, payload = encode_tensor(spec, sent, sending.codec, before)
        entries.append(_ENTRY.pack(*entry))
        payloads.append(payload)
        kept.append((sent.symbols, sent.bits))
        predicted |= Flags.CHANGES in entry.flags
    version = PREDICTED if predicted else WHOLE
    header = _HEADER.pack(MAGIC, version, 0, len(specs), cut_id, frame_id)
    reference = _REFERENCE.pack(past.checksum) if predicted else b""
    body = b"".join([header, reference, *entries, *payloads])
    checksum = zlib.crc32(body)
    past.keep(checksum, kept)
    return body + _CHECKSUM.pack(checksum)


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
        MissingExtraError: A codec it needs is not installed.
    """
    version, frame_id, checksum = _check_header(frame, cut_id, specs)
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
            sent = decode_tensor(spec, entry, payload, past.before(index, entry.bits))
            tensors.append(to_tensor(spec, sent))
        except PayloadError as error:
            raise FrameError(
                f"the frame's tensor {spec.name} is {error}; send it again, with the same cut"
            ) from None
        kept.append((sent.symbols, sent.bits))
    if history is not None:
        history.keep(checksum, kept)
    return Received(frame_id, tensors)


def largest_frame(specs: Sequence[TensorSpec]) -> int:
    """The bytes of the largest frame there can be, for the limits of a transport."""
    fixed = _table_offset(PREDICTED) + _CHECKSUM.size
    return fixed + sum(_ENTRY.size + largest_payload(spec) for spec in specs)


def _table_offset(version: int) -> int:
    return _HEADER.size + (_REFERENCE.size if version == PREDICTED else 0)


def _check_header(frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec]) -> tuple[int, int, int]:
    """All that holds for the frame as a whole; returns its version, number and checksum."""
    if len(frame) < _HEADER.size or frame[: len(MAGIC)] != MAGIC:
        raise FrameError("not a splittool frame (bad magic bytes); send what encode_frame returned")
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
    return version, frame_id, checksum


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
) -> list[Entry]:
    """The table of tensors, compared with what must be there."""
    entries = []
    for index, spec in enumerate(specs):
        number, form, bits, flags, length = _ENTRY.unpack_from(frame, table + index * _ENTRY.size)
        has_past = past.before(index, bits) is not None
        problem = entry_problem(spec, number, form, bits, flags, length, has_past)
        if problem:
            raise FrameError(
                f"the frame's tensor {spec.name} {problem}; send it again, with the same cut"
            )
        entries.append(Entry(number, Format(form), bits, Flags(flags), length))
    return entries
