"""Image codecs for the compressed-input baseline: sending the image, not crossing tensors."""

import io
from collections.abc import Callable
from importlib.util import find_spec
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from splittool.data.containers import bare_bytes
from splittool.errors import MissingExtraError, UsageError

Pixels = NDArray[np.uint8]

LOSSLESS = ("png",)
FORMATS = ("jpeg", "webp", "avif", "jpegxl", *LOSSLESS)
_PILLOW = {"jpeg": "jpg", "webp": "webp", "avif": "avif", "png": "zlib"}


def available() -> list[str]:
    """The formats that this installation can write."""
    found = [name for name, feature in _PILLOW.items() if features.check(feature)]
    if find_spec("imagecodecs"):
        found.append("jpegxl")
    return [name for name in FORMATS if name in found]


def require(name: str) -> None:
    """Check that a format can be written, before any work is done.

    Raises:
        UsageError: The format is unknown.
        MissingExtraError: This installation cannot write it.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown image format {name!r}; give one of: {', '.join(FORMATS)}")
    if name not in available():
        fix = "'splittool[codec]'" if name == "jpegxl" else "--upgrade pillow"
        raise MissingExtraError(f"{name} cannot be written here; try: pip install {fix}")


class Coding(NamedTuple):
    """How long something took to be coded and decoded, in ms."""

    encode_ms: float
    decode_ms: float


class Arrived(NamedTuple):
    """An image after it was compressed and decompressed.

    Attributes:
        sent: Bytes of the file.
        bare: Bytes of it without its container; see `containers`.
        pixels: (H, W, 3) RGB.
        coding: Time to make the file and to read it; scaling down and up are part of them.
    """

    sent: int
    bare: int
    pixels: Pixels
    coding: Coding


def through(pixels: Pixels, name: str, quality: int, halved: bool = False) -> Arrived:
    """Compress an image and decompress it.

    Args:
        pixels: (H, W, 3) RGB. An image of three equal channels is compressed as grey, which saves
            bytes.
        name: One of `FORMATS`.
        quality: 1 to 100 on the format's own scale; a lossless format ignores it.
        halved: Send half of the height and width, and scale up again what arrives.
    """
    height, width, _ = pixels.shape
    started = perf_counter()
    sent = _scaled(pixels, -(-height // 2), -(-width // 2)) if halved else pixels
    grey = bool((sent == sent[..., :1]).all())
    data = _CODERS[name](sent[..., 0] if grey else sent, quality)
    coded = perf_counter()
    arrived = _jpegxl_pixels(data) if name == "jpegxl" else _pillow_pixels(data)
    pixels = _scaled(arrived, height, width) if halved else arrived
    coding = Coding((coded - started) * 1e3, (perf_counter() - coded) * 1e3)
    return Arrived(len(data), bare_bytes(data, name), pixels, coding)


def _scaled(pixels: Pixels, height: int, width: int) -> Pixels:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def _jpeg(pixels: Pixels, quality: int) -> bytes:
    """The smaller of a baseline and a progressive file, which hold the same pixels."""
    return min((_saved(pixels, "JPEG", quality, progressive=way) for way in (False, True)), key=len)


def _pillow(name: str) -> Callable[[Pixels, int], bytes]:
    return lambda pixels, quality: _saved(pixels, name.upper(), quality)


def _saved(pixels: Pixels, form: str, quality: int, **options: bool) -> bytes:
    stream = io.BytesIO()
    optimize = {"optimize": True} if form in ("JPEG", "PNG") else {}
    Image.fromarray(pixels).save(stream, form, quality=quality, **optimize, **options)
    return stream.getvalue()


def _jpegxl(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(np.ascontiguousarray(pixels), level=quality))


_CODERS: dict[str, Callable[[Pixels, int], bytes]] = {
    **{name: _pillow(name) for name in _PILLOW},
    "jpeg": _jpeg,
    "jpegxl": _jpegxl,
}


def _pillow_pixels(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _jpegxl_pixels(data: bytes) -> Pixels:
    import imagecodecs

    pixels = np.asarray(imagecodecs.jpegxl_decode(data))
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
