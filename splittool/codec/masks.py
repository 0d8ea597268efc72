"""The answer of a network as bytes: the masks of all its classes, lossless and self-contained.

The masks lie below each other in one bitmap, without those of classes that are nowhere in the
image. Whatever makes the fewest bytes of it is taken; the first byte says which. No checksum is
among the bytes: that is for the transport to add. docs/frame-format.md has the format.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from splittool.codec import bitmaps
from splittool.codec.payload import PayloadError, unzstd, zstd
from splittool.errors import FrameError

Masks = NDArray[np.bool_]
Bitmap = NDArray[np.bool_]

MOST_PIXELS = 1 << 26  # of all classes together: what a receiver allocates at the most

_LONGEST_NUMBER = 4  # bytes, of seven bits each


class _Form(IntEnum):
    """How the bitmap is coded."""

    PACKED = 0
    ZSTD = 1
    OUTLINES = 2


def encode_masks(masks: Masks) -> bytes:
    """Code masks in few bytes.

    Args:
        masks: (C, H, W), True where a pixel belongs to the class; classes may overlap.

    Returns:
        The bytes, from which `decode_masks` makes the same array.

    Raises:
        ValueError: The array is not (C, H, W), not of bool, or has more than `MOST_PIXELS`.
    """
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks of {masks.dtype} {masks.shape}; give a bool array (C, H, W)")
    if masks.size > MOST_PIXELS or max(masks.shape) > MOST_PIXELS:
        raise ValueError(f"masks of {masks.shape}, more than {MOST_PIXELS} pixels")
    present = masks.any(axis=(1, 2))
    bitmap = masks[present].reshape(present.sum() * masks.shape[1], masks.shape[2])
    form, payload = _smallest(bitmap)
    sizes = b"".join(_number(size) for size in masks.shape)
    return bytes([form]) + sizes + np.packbits(present).tobytes() + payload


def decode_masks(data: bytes, shape: tuple[int, int, int] | None = None) -> Masks:
    """Masks from bytes that may be anything.

    Args:
        data: What `encode_masks` returned.
        shape: The (C, H, W) expected, so that nobody can make the receiver allocate more; None
            takes any of at most `MOST_PIXELS`.

    Returns:
        (C, H, W) masks.

    Raises:
        FrameError: The bytes are damaged or of another shape.
    """
    if not data or data[0] not in _DECODERS:
        raise FrameError("not coded masks of splittool (unknown form); send what encode_masks made")
    sizes, at = _sizes(data)
    if shape is not None and sizes != shape:
        raise FrameError(f"the coded masks are {_times(sizes)} instead of {_times(shape)}")
    if sizes[0] * sizes[1] * sizes[2] > MOST_PIXELS:
        raise FrameError(f"the coded masks are {_times(sizes)}, more than {MOST_PIXELS} pixels")
    present, at = _present(data, at, sizes[0])
    if not sizes[1] * sizes[2] and present.any():
        raise FrameError("the coded masks have a class without pixels")
    rows = int(present.sum()) * sizes[1]
    try:
        bitmap = _DECODERS[_Form(data[0])](data[at:], rows, sizes[2])
    except (PayloadError, bitmaps.BitmapError) as error:
        raise FrameError(f"the coded masks are damaged: {error}; send them again") from None
    masks = np.zeros(sizes, bool)
    masks[present] = bitmap.reshape(int(present.sum()), *sizes[1:])
    if not masks[present].any(axis=(1, 2)).all():
        raise FrameError("the coded masks name a class that has no pixel; send them again")
    return masks


def _smallest(bitmap: Bitmap) -> tuple[_Form, bytes]:
    packed = np.packbits(bitmap).tobytes()
    found = {_Form.PACKED: packed, _Form.ZSTD: zstd(packed, level=9)}
    with suppress(bitmaps.TooLongError):  # the others do not look at each pixel
        found[_Form.OUTLINES] = bitmaps.encode(bitmap)
    form = min(found, key=lambda form: (len(found[form]), form))
    return form, found[form]


def _packed(data: bytes, height: int, width: int) -> Bitmap:
    if len(data) != -(-height * width // 8):
        raise PayloadError(f"{len(data)} bytes for {height}x{width} pixels")
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).astype(bool)
    if bits[height * width :].any():
        raise PayloadError("padding that is not zero")
    return bits[: height * width].reshape(height, width)


def _zstd(data: bytes, height: int, width: int) -> Bitmap:
    return _packed(unzstd(data, -(-height * width // 8)), height, width)


_DECODERS: dict[int, Callable[[bytes, int, int], Bitmap]] = {
    _Form.PACKED: _packed,
    _Form.ZSTD: _zstd,
    _Form.OUTLINES: bitmaps.decode,
}


def _present(data: bytes, at: int, classes: int) -> tuple[NDArray[np.bool_], int]:
    """Which classes are there, and where the bitmap begins."""
    end = at + -(-classes // 8)
    if len(data) < end:
        raise FrameError("the coded masks end in their list of classes; send them again")
    flags = np.unpackbits(np.frombuffer(data, np.uint8, end - at, at)).astype(bool)
    if flags[classes:].any():
        raise FrameError("the coded masks name more classes than they have; send them again")
    return flags[:classes], end


def _number(value: int) -> bytes:
    """LEB128: seven bits in a byte, the lowest first; a byte that is not the last adds 128."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _sizes(data: bytes) -> tuple[tuple[int, int, int], int]:
    """Classes, height and width, and where they end."""
    sizes, at = [], 1
    for _ in range(3):
        value = 0
        for position, byte in enumerate(data[at : at + _LONGEST_NUMBER]):
            value |= (byte & 127) << 7 * position
            if byte < 128:
                break
        else:
            raise FrameError("the coded masks have a size that ends nowhere; send them again")
        if byte == 0 and position:
            raise FrameError("the coded masks have a size that is too long; send them again")
        sizes.append(value)
        at += position + 1
    return (sizes[0], sizes[1], sizes[2]), at


def _times(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
