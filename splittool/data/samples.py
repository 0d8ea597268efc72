"""Images, given as files or arrays, joined with their true masks."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.data.images import MAX_PIXELS, SUFFIXES, Pixels, list_images, to_rgb
from splittool.data.kaggle import Labels, Sample, find_labels, read_labels
from splittool.errors import InputError

PathName = str | PathLike[str]
Picture = PathName | Image.Image | NDArray[np.uint8]
Pictures = Picture | Sequence[Picture]
Masks = NDArray[np.bool_]
Truth = PathName | Labels | Masks | Sequence[Masks] | Literal[False] | None


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """Images in the order given, and what is known of their masks.

    Attributes:
        items: The images.
        labels: The table of masks; None where there is none.
    """

    items: tuple[Sample, ...]
    labels: Labels | None = None

    @property
    def labelled(self) -> bool:
        """Whether the true masks are known, so that predictions can be scored."""
        return self.labels is not None or any(item.truth is not None for item in self.items)

    @property
    def note(self) -> str | None:
        """One sentence about what cannot be done with these images; None if nothing is missing."""
        if self.labelled:
            return None
        files = all(item.pixels is None for item in self.items)
        where = "no train.csv beside the images" if files else "the images have no masks"
        return f"{where}: nothing is scored"

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> "Samples": ...
    def __getitem__(self, index: int | slice) -> "Sample | Samples":
        if isinstance(index, slice):
            return Samples(self.items[index], self.labels)
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


def samples(images: Pictures, labels: Truth = None, max_pixels: int = MAX_PIXELS) -> Samples:
    """Take images as files or as arrays, and join them with their true masks.

    Args:
        images: A folder, an image file, a .txt file with one path per line, or "-" for such lines
            on standard input; a PIL image; uint8 pixels, (H, W) grey or (H, W, 3) RGB; or a
            sequence of any of these, an (N, H, W, 3) array among them.
        labels: The true masks: a table in the layout of train.csv, which names image files; or one
            (C, H, W) array of bool per image. None looks for train.csv in the folder of the first
            file and in the one above; False looks for nothing.
        max_pixels: The largest image file, height times width, that is taken.

    Raises:
        InputError: An image or the table cannot be used, or masks and images do not fit.
    """
    given = _expanded(_as_sequence(images))
    if isinstance(labels, np.ndarray | list | tuple):
        return Samples(_with_masks(_join(given, None, max_pixels), labels))
    table = _table(given, labels)
    found = _join(given, table, max_pixels)
    if table and any(not table.runs_of(item.path) and _unnamed(item) for item in found):
        raise InputError(
            f"{table.path} names image files, and the images are arrays without a name; give their"
            " masks as arrays"
        )
    return Samples(found, table)


def _as_sequence(images: Pictures) -> Sequence[Picture]:
    """Wrap a single image in a list; leave a sequence as it is."""
    if isinstance(images, str | PathLike | Image.Image):
        return [images]
    if isinstance(images, np.ndarray) and images.ndim != 4:
        return [images]
    if not len(images):
        raise InputError("the sequence of images is empty; give at least one")
    return list(images)


def _expanded(images: Sequence[Picture]) -> list[Path | Image.Image | NDArray[np.uint8]]:
    """Resolve names to image files. Done once, because standard input can be read only once."""
    found: list[Path | Image.Image | NDArray[np.uint8]] = []
    for image in images:
        if isinstance(image, str | PathLike):
            found += expand_inputs([str(image)])
        else:
            found.append(image)
    return found


def _table(images: Sequence[object], labels: Any) -> Labels | None:
    if labels is False or isinstance(labels, Labels):
        return labels or None
    if labels is not None:
        return read_labels(Path(labels))
    first = next((image for image in images if isinstance(image, Path)), None)
    return None if first is None else labels_for([first], None)


def _join(
    images: Sequence[Path | Image.Image | NDArray[np.uint8]],
    table: Labels | None,
    max_pixels: int,
) -> tuple[Sample, ...]:
    """Samples in order; images in memory are named by their place among all."""
    labels = table or Labels(Path(), (), {}, {})
    found: list[Sample] = []
    for image in images:
        if isinstance(image, Path):
            found.append(labels.sample(image, max_pixels))
            continue
        name = Path(getattr(image, "filename", "") or f"image-{len(found) + 1:04}").name
        found.append(labels.join(Path(name), _pixels(image, name)))
    return tuple(found)


def _pixels(image: Image.Image | NDArray[Any], name: str) -> Pixels:
    """An image in memory as (H, W, 3) RGB."""
    if isinstance(image, Image.Image):
        return to_rgb(image, name)
    shape = getattr(image, "shape", None)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise InputError(f"{name} is of type {kind}; pixels are uint8, 0 to 255")
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"{name} has the shape {shape}; images are (H, W) or (H, W, 3)")
    return image


def _unnamed(sample: Sample) -> bool:
    return sample.pixels is not None and not sample.path.suffix


def _with_masks(found: tuple[Sample, ...], masks: Iterable[Masks]) -> tuple[Sample, ...]:
    given = list(masks)
    if isinstance(masks, np.ndarray) and masks.ndim == 3 and len(found) == 1:
        given = [masks]
    if len(given) != len(found):
        raise InputError(f"{len(given)} arrays of masks for {len(found)} images; give one each")
    return tuple(map(_with_truth, found, given))


def _with_truth(sample: Sample, truth: Masks) -> Sample:
    size = (sample.height, sample.width)
    if getattr(truth, "dtype", None) != np.bool_ or truth.ndim != 3 or truth.shape[1:] != size:
        shape, kind = getattr(truth, "shape", "?"), getattr(truth, "dtype", type(truth).__name__)
        raise InputError(
            f"the masks of {sample.name} are {kind} of the shape {shape};"
            f" write (classes, {size[0]}, {size[1]}) bool"
        )
    return replace(sample, truth=truth)


def expand_inputs(inputs: Sequence[str]) -> list[Path]:
    """Resolve what the user named into image paths, in the order given.

    Args:
        inputs: Folders, image files, .txt files with one path per line, or "-" for such lines on
            standard input. Paths in a list are relative to the current folder.

    Raises:
        InputError: A file or folder is missing, or a list names no images.
    """
    found: list[Path] = []
    for name in inputs:
        path = Path(name)
        if name == "-":
            found.extend(_listed(_standard_input(), "standard input"))
        elif path.is_dir():
            found.extend(list_images(path))
        elif path.suffix.lower() == ".txt" and path.is_file():
            found.extend(_listed(path.read_text(errors="replace").splitlines(), name))
        elif path.suffix.lower() in SUFFIXES or path.is_file():
            found.append(path)
        else:
            raise InputError(f"there is no file or folder {path}; check the path")
    return found


def _standard_input() -> Iterable[str]:
    if sys.stdin is None:
        raise InputError("standard input is closed; pipe image paths into it, one per line")
    try:
        return list(sys.stdin)
    except UnicodeDecodeError as error:
        raise InputError(
            f"standard input is not text ({error}); pipe image paths into it, one per line"
        ) from None


def _listed(lines: Iterable[str], name: str) -> list[Path]:
    paths = [Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise InputError(f"{name} lists no images; write one path per line")
    return paths


def labels_for(images: Sequence[Path], named: Path | None) -> Labels | None:
    """Read the true masks: from the table named, else from train.csv beside the images.

    Returns:
        None if no table is named and none is found.
    """
    path = named or find_labels(images[0])
    return None if path is None else read_labels(path)
