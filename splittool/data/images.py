"""Read images, and fit them to the canvas a network takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from splittool.errors import InputError
from splittool.files import describe
from splittool.quantities import parse_size as parse_size
from splittool.vocabulary import Fit as Fit

Pixels = NDArray[np.uint8]

SUFFIXES = (".jpg", ".jpeg", ".png")


def read_image(path: Path) -> Pixels:
    """Decode an image.

    Returns:
        (H, W, 3) RGB.

    Raises:
        InputError: It is missing, truncated or not an image.
    """
    try:
        with Image.open(path) as image:
            return to_rgb(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _image_error(path, error) from error


def to_rgb(image: Image.Image) -> Pixels:
    """The (H, W, 3) pixels of a picture of any mode."""
    return np.asarray(image.convert("RGB"))


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image, from its header alone.

    Raises:
        InputError: It is missing or not an image.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise _image_error(path, error) from error


def _image_error(path: Path, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no image {path}; check the name")
    if isinstance(error, UnidentifiedImageError):
        return InputError(f"{path} is not an image; give JPEG or PNG files, or remove it")
    if isinstance(error, Image.DecompressionBombError):
        return InputError(f"{path} is too large ({error}); cut it into tiles")
    if isinstance(error, OSError) and error.errno:
        return InputError(f"cannot read {path}: {describe(error)}; check its permissions")
    return InputError(f"{path} is damaged ({error}); fetch it again or remove it")


def list_images(folder: Path) -> list[Path]:
    """The JPEG and PNG files of a folder, sorted by name.

    Raises:
        InputError: The folder is missing or holds none.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; make one with: splittool synth steel/")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise InputError(f"folder {folder} holds no .jpg or .png images; check the path")
    return found


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
                f" give --fit resize, or train and export with --size {height}x{width}"
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
        planes = [Image.fromarray(plane) for plane in probabilities]
        size = (width, height)
        return np.stack([np.asarray(p.resize(size, Image.Resampling.BILINEAR)) for p in planes])

    def valid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the canvas that an image of this size really covers."""
        return (height, width) if self.fit == "pad" else (self.height, self.width)

    def _margins(self, height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
        return (0, self.height - height), (0, self.width - width)
