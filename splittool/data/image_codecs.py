"""Image codecs, the rivals: what a user would send in place of crossing tensors."""

import io
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from splittool.errors import MissingExtraError, UsageError

Pixels = NDArray[np.uint8]

LOSSLESS = ("png",)
FORMATS = ("jpeg", "webp", "avif", "jpegxl", *LOSSLESS)
_PILLOW = {"jpeg": "jpg", "webp": "webp", "avif": "avif", "png": "zlib"}


def available() -> list[str]:
    """The formats that can be written here."""
    found = [name for name, feature in _PILLOW.items() if features.check(feature)]
    if find_spec("imagecodecs"):
        found.append("jpegxl")
    return [name for name in FORMATS if name in found]


def require(name: str) -> None:
    """Check a format before work is spent.

    Raises:
        UsageError: There is no such format.
        MissingExtraError: It cannot be written here.
    """
    if name not in FORMATS:
        raise UsageError(f"unknown image format {name!r}; give one of: {', '.join(FORMATS)}")
    if name not in available():
        fix = "'splittool[codec]'" if name == "jpegxl" else "--upgrade pillow"
        raise MissingExtraError(f"{name} cannot be written here; try: pip install {fix}")


def through(pixels: Pixels, name: str, quality: int) -> tuple[int, Pixels]:
    """Compress an image and decompress it.

    Args:
        pixels: (H, W, 3). Grey ones are coded as grey, as somebody who counts bytes would.
        name: One of `FORMATS`.
        quality: 1 to 100, by the format's own scale; without meaning to a lossless one.

    Returns:
        Bytes, and the (H, W, 3) pixels that arrive.
    """
    grey = bool((pixels == pixels[..., :1]).all())
    data = _CODERS[name](pixels[..., 0] if grey else pixels, quality)
    arrived = _jpegxl_pixels(data) if name == "jpegxl" else _pillow_pixels(data)
    return len(data), arrived


def _pillow(name: str) -> Callable[[Pixels, int], bytes]:
    def encode(pixels: Pixels, quality: int) -> bytes:
        stream = io.BytesIO()
        options = {"optimize": True} if name in ("jpeg", "png") else {}
        Image.fromarray(pixels).save(stream, name.upper(), quality=quality, **options)
        return stream.getvalue()

    return encode


def _jpegxl(pixels: Pixels, quality: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpegxl_encode(np.ascontiguousarray(pixels), level=quality))


_CODERS: dict[str, Callable[[Pixels, int], bytes]] = {
    **{name: _pillow(name) for name in _PILLOW},
    "jpegxl": _jpegxl,
}


def _pillow_pixels(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _jpegxl_pixels(data: bytes) -> Pixels:
    import imagecodecs

    pixels = np.asarray(imagecodecs.jpegxl_decode(data))
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
