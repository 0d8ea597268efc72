"""Lossless codecs: symbols to few bytes and back.

The sender chooses a codec (`raw`, `fast`, `small`); a format says what the bytes are, which is all
that a receiver needs to know. Codec `learned` needs a model and has a module of its own.

`small` was chosen by size on the crossing tensors of trained networks: JPEG-LS from 3 bits on,
below that zstd on packed symbols, and the smaller of the two from 7 bits on. JPEG-XL at effort 2
makes 5 % less of 4 bits in twice the time; its header, unlike JPEG-LS's, cannot be checked in a few
lines before it is trusted.
"""

from collections.abc import Callable
from enum import IntEnum
from types import ModuleType
from typing import NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray

from splittool.codec.symbols import Data, Symbols, pack, packed_bytes, symbol_type, unpack
from splittool.errors import MissingExtraError

_JPEG_LS_FROM_BITS = 3
_BOTH_FROM_BITS = 7  # there the last bits are noise, and either may win
_LARGEST_SIDE = 65535  # of an image in JPEG-LS


class Format(IntEnum):
    """What the bytes of a payload are; frames hold these numbers."""

    PACKED = 0
    ZSTD = 1
    JPEG_LS = 2
    LEARNED = 3


class Coded(NamedTuple):
    """A payload and its format."""

    format: Format
    payload: bytes


class PayloadError(ValueError):
    """A payload does not agree with its format or with the tensor's shape."""


Encoder = Callable[[Symbols, int], Coded]
Decoder = Callable[[Data, tuple[int, ...], int], Symbols]


def encode_raw(symbols: Symbols, bits: int) -> Coded:
    """Pack the symbols without gaps."""
    return Coded(Format.PACKED, pack(symbols, bits))


def encode_fast(symbols: Symbols, bits: int) -> Coded:
    """Pack the symbols, then compress them with zstd at level 1."""
    return _zstd(pack(symbols, bits), level=1)


def encode_small(symbols: Symbols, bits: int) -> Coded:
    """Code all channels as one JPEG-LS image, or with zstd if that is smaller or no image fits.

    Raises:
        MissingExtraError: imagecodecs is not installed.
    """
    codecs = _imagecodecs()
    rows, columns = _image_shape(symbols.shape)
    if bits < _JPEG_LS_FROM_BITS or not _is_image(rows, columns):
        return _zstd(pack(symbols, bits), level=9)
    image = np.ascontiguousarray(symbols).reshape(rows, columns)
    coded = bytes(codecs.jpegls_encode(image))
    # CharLS puts a SPIFF header of 46 bytes before the image, which says nothing new.
    start = coded.find(_jpegls_start(rows, columns, bits))
    if start >= 0 and len(coded) - start < packed_bytes(symbols.size, bits):
        found = Coded(Format.JPEG_LS, coded[start:])
        if bits < _BOTH_FROM_BITS:
            return found
        return min(found, _zstd(pack(symbols, bits), level=9), key=lambda each: len(each.payload))
    return _zstd(pack(symbols, bits), level=9)


CODECS: dict[str, Encoder] = {"raw": encode_raw, "fast": encode_fast, "small": encode_small}


def decode(form: Format, payload: Data, shape: tuple[int, ...], bits: int) -> Symbols:
    """Symbols from a payload that may be anything.

    Time and memory are bounded by the shape: whatever the payload says about its own size is
    compared with it first.

    Args:
        form: What the payload is.
        payload: The bytes.
        shape: Shape of the symbols.
        bits: Bits of each symbol.

    Returns:
        Symbols of that shape, from 0 to 2^bits - 1.

    Raises:
        PayloadError: The payload is damaged or of another tensor.
        MissingExtraError: imagecodecs is needed and not installed.
    """
    size = len(payload)
    largest = packed_bytes(int(np.prod(shape, dtype=np.int64)), bits)
    if size > largest:  # all codecs fall back on packing where they would make it longer
        raise PayloadError(f"{size} bytes, more than the {largest} of its packed symbols")
    return _DECODERS[form](payload, shape, bits)


def _decode_packed(payload: Data, shape: tuple[int, ...], bits: int) -> Symbols:
    try:
        return unpack(payload, bits, int(np.prod(shape, dtype=np.int64))).reshape(shape)
    except ValueError as error:
        raise PayloadError(f"packed symbols {error}") from None


def zstd(data: bytes, level: int) -> bytes:
    """Compress bytes; the result says how many there were."""
    return zstandard.ZstdCompressor(level=level).compress(data)


def _zstd(packed: bytes, level: int) -> Coded:
    compressed = zstd(packed, level)
    if len(compressed) < len(packed):
        return Coded(Format.ZSTD, compressed)
    return Coded(Format.PACKED, packed)


def _decode_zstd(payload: Data, shape: tuple[int, ...], bits: int) -> Symbols:
    expected = packed_bytes(int(np.prod(shape, dtype=np.int64)), bits)
    return _decode_packed(unzstd(payload, expected), shape, bits)


def unzstd(payload: Data, expected: int) -> bytes:
    """Decompress bytes that may be anything to `expected` bytes, without allocating more.

    Raises:
        PayloadError: They are not zstd data of so many bytes.
    """
    try:
        header = zstandard.get_frame_parameters(payload)
        if header.content_size != expected:
            raise PayloadError(f"zstd data of {header.content_size} bytes instead of {expected}")
        if header.window_size > max(expected, 1024):  # what it would make zstd allocate
            raise PayloadError(f"zstd data with a window of {header.window_size} bytes")
        decompressor = zstandard.ZstdDecompressor()
        return decompressor.decompress(payload, max_output_size=expected, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise PayloadError(f"zstd data that cannot be read ({error})") from None


def _image_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """All channels below each other: (1, C, H, W) is C * H rows of W."""
    columns = shape[-1] if shape else 1
    return int(np.prod(shape[:-1], dtype=np.int64)), columns


def _is_image(rows: int, columns: int) -> bool:
    return 0 < rows <= _LARGEST_SIDE and 0 < columns <= _LARGEST_SIDE


def _jpegls_start(rows: int, columns: int, bits: int) -> bytes:
    """The only beginning of a JPEG-LS file that we write and read, up to its coded samples."""
    precision = 8 * symbol_type(bits).itemsize
    frame = b"\xff\xd8\xff\xf7\x00\x0b" + bytes([precision])
    frame += rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + b"\x01\x01\x11\x00"
    # Samples of 16 bits come with the thresholds of their contexts, which are the standard's own.
    wide = b"\xff\xf8\x00\x0d\x01\xff\xff\x00\x12\x00\x43\x01\x14\x00\x40"
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00"
    return frame + (wide if precision > 8 else b"") + scan


def _decode_jpegls(payload: Data, shape: tuple[int, ...], bits: int) -> Symbols:
    codecs = _imagecodecs()
    rows, columns = _image_shape(shape)
    if not _is_image(rows, columns):
        raise PayloadError("a JPEG-LS image where none fits")
    start = _jpegls_start(rows, columns, bits)
    if bytes(payload[: len(start)]) != start:
        raise PayloadError(f"not a JPEG-LS image of {rows}x{columns} samples")
    # CharLS spends seconds of zeros on samples that stop without the marker that ends an image.
    if not _ends_once(np.frombuffer(payload, np.uint8)[len(start) :]):
        raise PayloadError("a JPEG-LS image without its end")
    symbols = np.empty((rows, columns), dtype=symbol_type(bits))
    try:
        codecs.jpegls_decode(payload, out=symbols)
    except (codecs.JpeglsError, ValueError, RuntimeError) as error:
        raise PayloadError(f"a JPEG-LS image that cannot be read ({error})") from None
    if symbols.max() >= 2**bits:
        raise PayloadError(f"symbol {symbols.max()}, which {bits} bits do not hold")
    return symbols.reshape(shape)


def _ends_once(samples: NDArray[np.uint8]) -> bool:
    """Whether the only marker (255, then 128 or more) in coded samples is the one at their end."""
    if samples[-2:].tolist() != [0xFF, 0xD9]:
        return False
    return not ((samples[:-2] == 0xFF) & (samples[1:-1] >= 0x80)).any()


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError:
        raise MissingExtraError(
            "codec 'small' needs imagecodecs, which is not installed: pip install"
            " 'splittool[codec]'; or use 'fast'"
        ) from None
    return imagecodecs


_DECODERS: dict[Format, Decoder] = {
    Format.PACKED: _decode_packed,
    Format.ZSTD: _decode_zstd,
    Format.JPEG_LS: _decode_jpegls,
}
