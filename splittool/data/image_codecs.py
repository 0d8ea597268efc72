"""Image codecs for the compressed-input baseline: sending the image, not crossing tensors."""

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


def through(pixels: Pixels, name: str, quality: int) -> tuple[int, Pixels]:
    """Compress an image and decompress it.

    Args:
        pixels: (H, W, 3) RGB. An image of three equal channels is compressed as grey, which saves
            bytes.
        name: One of `FORMATS`.
        quality: 1 to 100 on the format's own scale; a lossless format ignores it.

    Returns:
        Number of bytes, and the (H, W, 3) pixels after decoding.
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
