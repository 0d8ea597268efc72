"""What a server answers to a frame: masks as coded bytes that say what they are the answer to.

| bytes | what |
|---|---|
| 4 | `SPLA` |
| 1, 1, 2 | version 1; 0; number of classes |
| 16, 8 | cut id and number of the frame that was answered |
| 4, 4, 8 | height and width of the image; threshold, a 64-bit float |
| 4 | length of the coded masks |
| | coded masks, then coded hidden pixels (`Segmentation`), each from `encode_masks` |
| 4 | CRC-32 of all before it |

Numbers are little-endian. Whoever asked compares all of it with the question, so that an answer
which was damaged, or is to another question, is never taken for the right one.
"""

import struct
import zlib
from dataclasses import dataclass, replace

from splittool.codec.masks import decode_masks, encode_masks
from splittool.errors import FrameError
from splittool.split.segmentation import Segmentation

_HEADER = struct.Struct("<4sBBH16sQIIdI")
_CHECKSUM = struct.Struct("<I")
_MAGIC, _VERSION = b"SPLA", 1


@dataclass(frozen=True)
class Subject:
    """What an answer is about.

    Attributes:
        cut_id: Of the frame.
        frame_id: Of the frame.
        height: Rows of the image.
        width: Its columns.
        threshold: Probability from which a pixel belongs to a class.
        classes: How many classes there are; 0 if the answer says so.
    """

    cut_id: bytes
    frame_id: int
    height: int
    width: int
    threshold: float
    classes: int


def encode_answer(subject: Subject, found: Segmentation) -> bytes:
    """An answer as bytes."""
    masks, hidden = encode_masks(found.masks), encode_masks(found.hidden)
    header = _header(subject, len(masks))
    body = header + masks + hidden
    return body + _CHECKSUM.pack(zlib.crc32(body))


def decode_answer(data: bytes, subject: Subject) -> Segmentation:
    """An answer from bytes that may be anything.

    Args:
        data: The bytes.
        subject: What was asked about.

    Raises:
        FrameError: They are damaged, or answer something else.
    """
    if len(data) < _HEADER.size + _CHECKSUM.size or data[:4] != _MAGIC:
        raise FrameError("the server's answer is not one of splittool (bad magic bytes)")
    body = data[: -_CHECKSUM.size]
    if _CHECKSUM.unpack(data[-_CHECKSUM.size :])[0] != zlib.crc32(body):
        raise FrameError("the server's answer was damaged on its way, its checksum differs")
    *_, length = fields = _HEADER.unpack_from(body)
    if not subject.classes:
        subject = replace(subject, classes=fields[3])
    if body[: _HEADER.size] != _header(subject, length):
        raise FrameError("the server's answer is to another question")
    end = _HEADER.size + length
    shape = (subject.classes, subject.height, subject.width)
    masks = decode_masks(body[_HEADER.size : end], shape)
    return Segmentation(masks, decode_masks(body[end:], shape))


def _header(subject: Subject, length: int) -> bytes:
    return _HEADER.pack(
        _MAGIC,
        _VERSION,
        0,
        subject.classes,
        subject.cut_id,
        subject.frame_id,
        subject.height,
        subject.width,
        subject.threshold,
        length,
    )
