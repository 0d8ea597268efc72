"""Folders of images and PNG masks into Kaggle's layout."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splittool.data.dataset_folder import Annotated, write_dataset
from splittool.data.images import (
    MAX_PIXELS,
    image_size,
    list_images,
    open_image,
    stored_orientation,
    upright,
)
from splittool.data.rle import Mask
from splittool.errors import InputError
from splittool.progress import Progress, nobody
from splittool.reports.imports import ImportReport

_INDEXED = {"1", "L", "P", "I;16", "I;16B", "I;16L", "I;16N"}
_VOID = 255  # by the convention of PASCAL VOC and Cityscapes; and white in a binary mask


def import_masks(
    folder: Path,
    target: Path,
    ignore: Collection[int] = (),
    force: bool = False,
    progress: Progress = nobody,
) -> ImportReport:
    """Bring folders of images and PNG masks into Kaggle's layout.

    Args:
        folder: Holds images/ and masks/. Either masks/ has a PNG for each image, named like it,
            whose value (or index of its palette) c means class c and 0 no class; or masks/ has a
            folder for each class, named after it, of binary PNG masks, and an image without a mask
            there does not show the class.
        target: The folder to make; train_images/ and train.csv go into it.
        ignore: Values that mean no class, besides 0.
        force: Replace a data set that is already there.
        progress: Told how many images are written.

    Raises:
        InputError: Masks and images do not fit, or a mask is not one.
        OutputError: The folder holds something else, or cannot be written.
    """
    images = list_images(folder / "images")
    masks = folder / "masks"
    if not masks.is_dir():
        raise InputError(f"there is no folder {masks}; put the PNG masks there")
    classes = sorted(path for path in masks.iterdir() if path.is_dir())
    files = _by_stem(masks)
    if bool(classes) == bool(files):
        what = "both PNG masks and folders" if files else "neither PNG masks nor folders of them"
        raise InputError(f"{masks} holds {what}; put one mask per image there, or one folder per"
                         " class")  # fmt: skip
    names: list[str] = []
    if classes:
        found, names = _of_classes(images, classes), [path.name for path in classes]
    else:
        found = _of_values(images, files, masks, ignore)
    report = ImportReport(
        format="masks", source=str(folder), folder=str(target), classes_without_masks=names
    )
    return write_dataset(target, found, report, force, progress)


def _by_stem(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".png"}


def _of_values(
    images: Sequence[Path], masks: Mapping[str, Path], folder: Path, ignore: Collection[int]
) -> list[Annotated]:
    """Images with one mask each, whose values are classes."""
    _refuse_strays(images, masks)
    found = []
    for image in images:
        if image.stem not in masks:
            raise InputError(
                f"there is no mask {folder / image.stem}.png for {image}; add it, all 0 for an"
                " image without defects, or remove the image"
            )
        size = _same_size(image, [masks[image.stem]])
        found.append(Annotated(image, *size, partial(_split, masks[image.stem], ignore)))
    return found


def _of_classes(images: Sequence[Path], classes: Sequence[Path]) -> list[Annotated]:
    """Images with binary masks, in a folder for each class."""
    masks = {folder.name.strip(): _by_stem(folder) for folder in classes}
    for by_stem in masks.values():
        _refuse_strays(images, by_stem)
    found = []
    for image in images:
        own = {name: files[image.stem] for name, files in masks.items() if image.stem in files}
        size = _same_size(image, list(own.values()))
        found.append(Annotated(image, *size, partial(_binary_masks, own)))
    return found


def _refuse_strays(images: Sequence[Path], masks: Mapping[str, Path]) -> None:
    stray = sorted(set(masks) - {image.stem for image in images})
    if stray:
        raise InputError(
            f"there is no image for the mask {masks[stray[0]]} in {images[0].parent}; add it or"
            " remove the mask"
        )


def _same_size(image: Path, masks: Sequence[Path]) -> tuple[int, int]:
    size = image_size(image)
    for mask in masks:
        other = image_size(mask)
        if other != size:
            raise InputError(
                f"{mask} is {other[0]}x{other[1]}, but {image} is {size[0]}x{size[1]}; give masks"
                " of the images' size"
            )
    return size


def _split(path: Path, ignore: Collection[int]) -> dict[str, Mask]:
    """A mask by class, from one whose values are classes."""
    values = _values(path)
    classes = [int(value) for value in np.unique(values) if value and value not in ignore]
    if _VOID in classes and _VOID not in ignore:
        raise InputError(
            f"{path} has the value 255, which often means no class; give `ignore` 255 if so here,"
            " and binary masks in a folder named after their class, as in masks/crack/"
        )
    return {str(value): values == value for value in classes}


def _binary_masks(paths: Mapping[str, Path]) -> dict[str, Mask]:
    return {name: _binary(path) for name, path in paths.items()}


def _binary(path: Path) -> Mask:
    values = _values(path)
    different = np.unique(values)
    if len(different) > 2 or (len(different) == 2 and different[0]):
        shown = ", ".join(map(str, different[:4]))
        raise InputError(f"{path} has the values {shown}; a binary mask has 0 and one other")
    return np.asarray(values != 0)


def _values(path: Path) -> NDArray[np.integer]:
    """The values of a mask, or the indices of its palette: (H, W)."""
    with open_image(path, MAX_PIXELS) as image:
        if image.format != "PNG" or image.mode not in _INDEXED:
            raise InputError(
                f"{path} is {image.format} of mode {image.mode}; a mask is a PNG of one channel,"
                " whose values are classes"
            )
        return upright(np.asarray(image), stored_orientation(image))
