"""Read images, and fit them to the canvas a network takes."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from splittool.errors import InputError
from splittool.files import describe
from splittool.vocabulary import MAX_PIXELS as MAX_PIXELS
from splittool.vocabulary import Fit as Fit

Pixels = NDArray[np.uint8]

# What is read, by content and whatever the name. Pillow would read forty more formats, and start
# Ghostscript for one of them.
FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")

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

_OPENING = threading.Lock()


def read_image(path: Path, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a JPEG, PNG, TIFF, BMP or WebP image.

    The result is upright: an EXIF orientation in the file's header is applied, and masks are
    drawn on the upright image. What the file stores becomes RGB of 8 bits:

    | mode | |
    |---|---|
    | RGB, RGBX, CMYK, YCbCr, HSV | converted to RGB |
    | 1, L | grey, three equal channels |
    | I;16 and its byte orders | grey; the largest value of its 16 (12) bits becomes 255 |
    | P, PA | the colours of the palette |
    | LA, La, RGBA, RGBa, P with transparency | transparency is ignored |
    | I, F, LAB | refused: no range that the file states, or no colours without a profile |

    RGB of 16 bits becomes RGB of the upper 8.

    Args:
        path: The file.
        max_pixels: The largest image, height times width, that is decoded.

    Returns:
        (H, W, 3) RGB.

    Raises:
        InputError: It is missing, damaged, too large, not such an image, or of a mode or a number
            of pages that is refused.
    """
    with open_image(path, max_pixels) as image:
        return to_rgb(image, str(path))


def image_size(path: Path, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Height and width of an image when upright, from its header alone.

    Raises:
        InputError: It is missing, too large or not an image.
    """
    with open_image(path, max_pixels) as image:
        return upright_size(image)


@contextmanager
def open_image(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """Open an image file of one of `FORMATS`.

    Raises:
        InputError: In place of all that Pillow raises, here or in the block.
    """
    try:
        with _open_any_size(path) as image:
            _refuse_large(path, image, max_pixels)
            _refuse_pages(path, image)
            yield image
    except InputError:
        raise
    except Exception as error:  # decoders raise errors of any kind for bytes nobody foresaw
        raise _image_error(path, error) from error


def _open_any_size(path: Path) -> Image.Image:
    """Read a header without Pillow's own limit, which warns on stderr before it refuses."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is a pipe or a device, not a file; give image files")
    with _OPENING:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _refuse_large(path: Path, image: Image.Image, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(
            f"{path} is too large: {height}x{width} are {width * height:,} pixels, and"
            f" {max_pixels:,} is the limit; cut it into tiles, make it smaller, or give a larger"
            " `max_pixels`"
        )


def _refuse_pages(path: Path, image: Image.Image) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1 and image.format != "MPO":  # a camera's JPEG with its previews
        raise InputError(f"{path} holds {pages} images; save each as a file of its own")


def _image_error(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no image {path}; check the name")
    if isinstance(error, UnidentifiedImageError):
        return InputError(
            f"{path} is not an image that is read here; give JPEG, PNG, TIFF, BMP or WebP files,"
            " or remove it"
        )
    if isinstance(error, MemoryError):
        return InputError(f"{path} does not fit the memory; cut it into tiles")
    if isinstance(error, OSError) and error.errno:
        return InputError(f"cannot read {path}: {describe(error)}; check its permissions")
    cause = str(error).partition("\n")[0][:200] or type(error).__name__
    return InputError(f"{path} is damaged ({cause}); fetch it again or remove it")


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder by their suffixes, sorted by name.

    Raises:
        InputError: The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; make one with: splittool synth steel/")
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        deeper = [] if found else sorted(islice(_subfolders(folder), 1000))
    except OSError as error:
        raise InputError(f"cannot read folder {folder}: {describe(error)}; check it") from None
    if found:
        return found
    if deeper:
        more = f", {deeper[1]}" if len(deeper) > 1 else ""
        more += " and others" if len(deeper) > 2 else ""
        raise InputError(
            f"folder {folder} holds no images itself, its subfolders do; give {deeper[0]}{more}"
        )
    raise InputError(f"folder {folder} holds no images ({', '.join(SUFFIXES)}); check the path")


def _subfolders(folder: Path) -> Iterator[Path]:
    """The folders under this one that hold images."""
    for path in folder.rglob("*"):
        if path.is_dir() and any(file.suffix.lower() in SUFFIXES for file in path.iterdir()):
            yield path


@dataclass(frozen=True)
class Canvas:
    """The fixed size a network takes, and how an image gets there and its masks get back.

    Attributes:
        height: Rows of the network's input.
        width: Columns of the network's input.
        fit: "pad" keeps pixels as they are and repeats the right and bottom edge;
            "resize" scales both axes.
    """

    height: int
    width: int
    fit: Fit = "pad"

    @staticmethod
    def around(sizes: Sequence[tuple[int, int]], stride: int) -> "Canvas":
        """The smallest padding canvas that holds every (height, width) at a network's stride."""
        height, width = (-(-max(axis) // stride) * stride for axis in zip(*sizes, strict=True))
        return Canvas(height, width, "pad")

    def check(self, path: Path, height: int, width: int) -> None:
        """Refuse an image that padding cannot fit.

        Raises:
            InputError: It is larger than the canvas.
        """
        if self.fit == "pad" and (height > self.height or width > self.width):
            raise InputError(
                f"{path} is {height}x{width}, larger than the network's {self.height}x{self.width};"
                f" give `fit` resize, or train and export with `size` {height}x{width}"
            )

    def image(self, pixels: Pixels) -> Pixels:
        """Fit (h, w, 3) pixels to the canvas: (height, width, 3)."""
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        if self.fit == "resize":
            resized = Image.fromarray(pixels).resize(
                (self.width, self.height), Image.Resampling.BILINEAR
            )
            return np.asarray(resized)
        return np.pad(pixels, (*self._margins(*pixels.shape[:2]), (0, 0)), mode="edge")

    def masks(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Fit (C, h, w) masks to the canvas: (C, height, width)."""
        if masks.shape[1:] == (self.height, self.width):
            return masks
        if self.fit == "pad":
            return np.pad(masks, ((0, 0), *self._margins(*masks.shape[1:])))
        planes = [Image.fromarray(plane.astype(np.uint8)) for plane in masks]
        size = (self.width, self.height)
        return np.stack([np.asarray(p.resize(size, Image.Resampling.NEAREST)) > 0 for p in planes])

    def restore(
        self, probabilities: NDArray[np.float32], height: int, width: int
    ) -> NDArray[np.float32]:
        """Bring (C, canvas height, canvas width) probabilities back to an image's (C, h, w)."""
        if self.fit == "pad":
            return probabilities[:, :height, :width]
        if (height, width) == (self.height, self.width):
            return probabilities
        restored = np.empty((len(probabilities), height, width), dtype=np.float32)
        for target, plane in zip(restored, probabilities, strict=True):
            resized = Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)
            target[:] = np.asarray(resized)
        return restored

    def valid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the canvas that an image of this size really covers."""
        return (height, width) if self.fit == "pad" else (self.height, self.width)

    def _margins(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        return (0, self.height - height), (0, self.width - width)


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
