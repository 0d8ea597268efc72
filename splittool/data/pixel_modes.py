"""From what an image file stores to 8-bit RGB: every mode of Pillow is converted or refused."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from splittool.errors import InputError

_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 274, 258, 262  # the same tags in TIFF and EXIF
_WHITE_IS_ZERO = 0

# What Pillow's own conversion to RGB does right. Transparency is ignored: the colours that the
# file stores count, those under transparent pixels included.
_BY_PILLOW = {"1", "L", "RGB", "RGBX", "CMYK", "YCbCr", "HSV"}
_BY_WAY_OF = {"P": "RGBA", "PA": "RGBA", "LA": "L", "La": "LA", "RGBA": "RGB", "RGBa": "RGBA"}
_DEEP = {"I;16", "I;16L", "I;16B", "I;16N"}
_REFUSED = {
    "I": "32-bit integers",
    "F": "floating-point numbers",
    "LAB": "colours in L*a*b*",
}


def to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    """The pixels of a picture of any mode, upright.

    Grey becomes three equal channels; 16-bit grey is scaled so that the largest value its file
    can hold becomes 255; transparency is ignored; an EXIF orientation is applied.

    Args:
        image: The picture.
        name: What to call it in a message.

    Returns:
        (H, W, 3) RGB.

    Raises:
        InputError: Its mode says no range (I, F) or needs a colour profile (LAB).
    """
    orientation = stored_orientation(image)
    if image.mode in _DEEP or (image.mode == "I" and image.format == "PNG"):
        # Older versions of Pillow open a 16-bit PNG in mode I.
        pixels = np.repeat(_eight_bits(image)[..., None], 3, axis=2)
    elif image.mode in _BY_PILLOW or image.mode in _BY_WAY_OF:
        pixels = np.asarray(_as_rgb(image))
    else:
        what = _REFUSED.get(image.mode, f"pixels of mode {image.mode}")
        raise InputError(f"{name} holds {what}; save it as RGB or grey of 8 or 16 bits")
    return upright(pixels, orientation)


def _as_rgb(image: Image.Image) -> Image.Image:
    while image.mode in _BY_WAY_OF:
        image = image.convert(_BY_WAY_OF[image.mode])
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Grey of 16 bits, or of the 12 that some TIFF files have, as 8 bits."""
    highest, inverted = 65535, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        highest = 2 ** int(image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0]) - 1
        inverted = image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    values = np.asarray(image).astype(np.uint32)
    scaled = ((values * 255 + highest // 2) // highest).astype(np.uint8)
    return 255 - scaled if inverted else scaled


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn (H, W, ...) pixels as an EXIF orientation, 1 to 8, asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width of a picture once it is upright, from its header alone."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # turned by Pillow, but in loading
        width, height = image.tag_v2[256], image.tag_v2[257]
        orientation = image.tag_v2.get(_ORIENTATION, 1)
    else:
        width, height = image.size
        orientation = stored_orientation(image)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def stored_orientation(image: Image.Image) -> int:
    """The orientation that the pixels have as Pillow decodes them, from the header.

    1, upright, where it states none or nonsense; and for TIFF, which Pillow turns itself.

    `Image.getexif` would decode a whole PNG to look for EXIF behind the pixels.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return 1
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        orientation = exif.get(_ORIENTATION, 1)
    except Exception:  # Pillow has a list of its own of what broken EXIF raises
        return 1
    return orientation if orientation in range(1, 9) else 1
