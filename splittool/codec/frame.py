"""One frame on the link: all crossing tensors of one input as one self-describing byte string.

docs/frame-format.md has the format byte by byte. Both sides know the cut: which tensors cross it,
of which shapes and types, and the calibrated ranges where there are any. The receiver compares all
that a frame says with that before it allocates anything, so that a frame from anywhere costs it no
more time and memory than a good one.

Where frames follow each other in time, both sides can keep a `History`, and tensors are sent as
what changed since the frame before wherever that takes fewer bytes.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from splittool.codec.envelope import CUT_ID_BYTES, MAGIC, Envelope, open_frame, seal
from splittool.codec.payload import Format, PayloadError
from splittool.codec.symbols import History
from splittool.codec.tensors import (
    Flags,
    Sending,
    Tensor,
    TensorSpec,
    decode_tensor,
    encode_tensor,
    entry_problem,
    to_symbols,
    to_tensor,
)
from splittool.errors import FrameError


class Received(NamedTuple):
    """What a frame held."""

    frame_id: int
    tensors: list[Tensor]


def frame_cut_id(
    cut_sha256: str, calibration_sha256: str | None = None, model_sha256: str | None = None
) -> bytes:
    """What a frame carries to show which cut, calibrated ranges and model it was made with.

    Args:
        cut_sha256: SHA-256 of cut.json, in hexadecimal.
        calibration_sha256: SHA-256 of calibration.json where its ranges are used.
        model_sha256: SHA-256 of the model of codec `learned` where it is used and cut.json does not
            name it.

    Returns:
        16 bytes: the first of the cut's SHA-256, or of the SHA-256 of all that are given, one after
        the other.
    """
    digest = bytes.fromhex(cut_sha256)
    others = [each for each in (calibration_sha256, model_sha256) if each is not None]
    if others:
        digest = hashlib.sha256(digest + bytes.fromhex("".join(others))).digest()
    return digest[:CUT_ID_BYTES]


def encode_frame(
    cut_id: bytes,
    frame_id: int,
    specs: Sequence[TensorSpec],
    tensors: Sequence[Tensor],
    sendings: Sequence[Sending],
    history: History | None = None,
    short: bool = False,
) -> bytes:
    """Quantise, code and frame the crossing tensors of one input.

    Args:
        cut_id: 16 bytes, from `frame_cut_id`.
        frame_id: 0 to 2^64 - 1; its meaning is the sender's.
        specs: What crosses the cut.
        tensors: The values of the crossing tensors, in the same order.
        sendings: How to send each of them.
        history: What the sender keeps, to predict from; this frame becomes the last in it. Tensors
            with ranges of their own are not predicted: the same symbol means another value each
            time.
        short: Write the short form, version 3; codec `learned` always does.

    Raises:
        InputError: A tensor holds NaN or infinity, has another shape, or a type that cannot be
            sent.
        UsageError: Bits are out of range.
        MissingExtraError: A codec needs a package that is not installed.
    """
    past = History() if history is None else history
    entries, payloads, kept = [], [], []
    for index, (spec, tensor, sending) in enumerate(zip(specs, tensors, sendings, strict=True)):
        sent = to_symbols(spec, tensor, sending)
        before = None if sent.flags else past.before(index, sent.bits)
        entry, payload = encode_tensor(spec, sent, sending.codec, before)
        entries.append(entry)
        payloads.append(payload)
        kept.append((sent.symbols, sent.bits))
        short |= entry.form == Format.LEARNED
    predicted = any(entry.flags & Flags.CHANGES for entry in entries)
    envelope = Envelope(frame_id, past.checksum if predicted else None, entries, payloads)
    frame, checksum = seal(cut_id, envelope, short)
    past.keep(checksum, kept)
    return frame


def decode_frame(
    frame: bytes, cut_id: bytes, specs: Sequence[TensorSpec], history: History | None = None
) -> Received:
    """Tensors from a frame that may be anything.

    Args:
        frame: The bytes.
        cut_id: The id of the receiver's cut, 16 bytes.
        specs: The tensors that must be in it, in this order.
        history: What the receiver keeps; a good frame becomes the last in it. Without a history,
            only frames that stand alone can be read.

    Returns:
        The frame's number and its tensors; what was quantised is float32.

    Raises:
        FrameError: The frame is damaged, of another version or of another cut, or was predicted
            from another frame than the receiver's last.
        MissingExtraError: A codec it needs is not installed.
    """
    envelope, checksum = open_frame(frame, cut_id, specs)
    past = _past(envelope, history)
    _check_table(frame, envelope, specs, past)
    tensors, kept = [], []
    for index, (spec, entry) in enumerate(zip(specs, envelope.entries, strict=True)):
        try:
            sent = decode_tensor(
                spec, entry, envelope.payloads[index], past.before(index, entry.bits)
            )
            tensors.append(to_tensor(spec, sent))
        except PayloadError as error:
            raise FrameError(
                f"the frame's tensor {spec.name} is {error}; send it again, with the same cut"
            ) from None
        kept.append((sent.symbols, sent.bits))
    if history is not None:
        history.keep(checksum, kept)
    return Received(envelope.frame_id, tensors)


def _past(envelope: Envelope, history: History | None) -> History:
    """The receiver's history, if its last frame is the one that this frame was predicted from."""
    if envelope.reference is None:
        return History()
    if history is None or not history.ends_with(envelope.reference):
        raise FrameError(
            "the frame says what changed since another frame than the last one received;"
            " send one that stands alone"
        )
    return history


def _check_table(
    frame: bytes, envelope: Envelope, specs: Sequence[TensorSpec], past: History
) -> None:
    """Compare what the table says of the tensors with what must be there."""
    is_short = frame[:1] != MAGIC[:1]
    for index, (spec, entry) in enumerate(zip(specs, envelope.entries, strict=True)):
        problem = entry_problem(spec, entry, past.before(index, entry.bits) is not None)
        if entry.form == Format.LEARNED and not is_short:
            problem = "has format 3, which only short frames have"
        if problem:
            raise FrameError(
                f"the frame's tensor {spec.name} {problem}; send it again, with the same cut"
            )
    given = sum(map(len, envelope.payloads))
    expected = sum(entry.length for entry in envelope.entries)
    if given != expected:
        total = len(frame) + expected - given
        raise FrameError(f"the frame has {len(frame)} bytes instead of {total}; send it again")
