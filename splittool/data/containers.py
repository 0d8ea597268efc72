"""What of an image file is the coded image, and what only says how to read it.

Against frames of a hundred bytes, an image codec should not lose by its file format. So this counts
what no sender could leave out even if both sides had agreed on everything else beforehand, which is
a little less than could really be sent:

* JPEG: the entropy-coded segments; neither headers nor tables of quantisation and Huffman codes,
  although `optimize` makes the latter for each image.
* WebP: the `VP8 ` or `VP8L` chunk without its header.
* AVIF: the contents of `mdat`, which are the AV1 data.
* JPEG-XL: the codestream without its signature of two bytes, and without boxes.
* PNG: the contents of the `IDAT` chunks.
"""

from collections.abc import Callable, Iterator


def bare_bytes(data: bytes, name: str) -> int:
    """Bytes of a file of our own codecs that are not its container.

    Args:
        data: The whole file.
        name: The format, one of `image_codecs.FORMATS`.
    """
    return _COUNTS[name](data)


def _jpeg(data: bytes) -> int:
    """Walk the markers; what follows a start of scan up to the next marker is coded image."""
    at, total = 2, 0
    while data[at + 1] != 0xD9:
        scan = data[at + 1] == 0xDA
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        start = at
        while scan and not (data[at] == 0xFF and data[at + 1] not in (0, *range(0xD0, 0xD8))):
            at += 1
        total += at - start
    return total


def _webp(data: bytes) -> int:
    """RIFF chunks: four letters, a little-endian length, and contents padded to an even length."""
    at, total = 12, 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] in (b"VP8 ", b"VP8L"):
            total += length
        at += 8 + length + length % 2
    return total


def _boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Type and length of the contents of each top-level box of ISO/IEC 14496-12."""
    at = 0
    while at + 8 <= len(data):
        length, header = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        length = length or len(data) - at
        yield data[at + 4 : at + 8], length - header
        at += length


def _avif(data: bytes) -> int:
    return sum(length for kind, length in _boxes(data) if kind == b"mdat")


def _jpegxl(data: bytes) -> int:
    if data[:2] == b"\xff\x0a":
        return len(data) - 2
    return sum(length for kind, length in _boxes(data) if kind in (b"jxlc", b"jxlp")) - 2


def _png(data: bytes) -> int:
    """Chunks: a big-endian length, four letters, contents and a checksum."""
    at, total = 8, 0
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            total += length
        at += 12 + length
    return total


_COUNTS: dict[str, Callable[[bytes], int]] = {
    "jpeg": _jpeg,
    "webp": _webp,
    "avif": _avif,
    "jpegxl": _jpegxl,
    "png": _png,
}
