"""COCO annotations into Kaggle's layout.

The format: https://cocodataset.org/#format-data (object detection and stuff segmentation).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from splittool.data.dataset_folder import Annotated, write_dataset
from splittool.data.images import image_size
from splittool.data.rle import Mask
from splittool.errors import InputError, MissingExtraError
from splittool.files import require_file
from splittool.progress import Progress, nobody
from splittool.reports.base import file_record
from splittool.reports.imports import ImportReport

Id = int | str


class Runs(msgspec.Struct):
    """A mask as lengths of runs, the first outside it, down each column first.

    Attributes:
        size: Height and width.
        counts: The lengths, as numbers or in COCO's compressed text.
    """

    size: tuple[int, int]
    counts: list[int] | str


class Region(msgspec.Struct):
    """An annotation: one object's polygons or runs."""

    image_id: Id
    category_id: Id
    segmentation: list[list[float]] | Runs | None = None
    iscrowd: int | bool = 0
    id: Id | None = None


class Picture(msgspec.Struct):
    """An image, as the annotations know it."""

    id: Id
    file_name: str
    height: int
    width: int


class Category(msgspec.Struct):
    """A class."""

    id: Id
    name: str


class Instances(msgspec.Struct):
    """What is read of a file of instances."""

    images: list[Picture]
    annotations: list[Region]
    categories: list[Category]


def import_coco(
    folder: Path,
    target: Path,
    annotations: Path | None = None,
    images: Path | None = None,
    force: bool = False,
    progress: Progress = nobody,
) -> ImportReport:
    """Bring COCO annotations and their images into Kaggle's layout.

    Regions of one class on one image become one mask, those of crowds included. The names of the
    categories become the names of the classes.

    Args:
        folder: Where the images and the annotations are.
        target: The folder to make; train_images/ and train.csv go into it.
        annotations: The JSON file of instances; by default the only one in `folder` or in its
            annotations/.
        images: Where the file names begin; by default `folder`, its images/, or the folder that
            the annotations are named after (val2017/ for instances_val2017.json).
        force: Replace a data set that is already there.
        progress: Told how many images are written.

    Raises:
        InputError: The annotations are damaged, or do not fit the images.
        MissingExtraError: There are polygons, and pycocotools is not installed.
        OutputError: The folder holds something else, or cannot be written.
    """
    path = annotations or _find_annotations(folder)
    content = _read(path)
    names = _class_names(path, content.categories)
    regions = _by_image(path, content, names)
    roots = [images] if images else _roots(folder, path)
    found = [
        _annotated(path, roots, picture, regions[picture.id], names) for picture in content.images
    ]
    report = ImportReport(
        format="coco",
        source=str(folder),
        folder=str(target),
        annotations=file_record(path),
        crowd_regions=sum(bool(region.iscrowd) for region in content.annotations),
        classes_without_masks=list(names.values()),
    )
    return write_dataset(target, found, report, force, progress)


def _find_annotations(folder: Path) -> Path:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; check the path")
    found = sorted(folder.glob("*.json")) + sorted((folder / "annotations").glob("*.json"))
    if not found:
        raise InputError(
            f"neither {folder} nor {folder / 'annotations'} holds a .json file; give the file with"
            " `annotations`"
        )
    if len(found) > 1:
        names = ", ".join(str(path) for path in found[:4])
        raise InputError(f"{folder} holds several .json files: {names}; give `annotations`")
    return found[0]


def _read(path: Path) -> Instances:
    require_file(path, "COCO's annotations are a .json file")
    try:
        content = msgspec.json.decode(path.read_bytes(), type=Instances)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not a COCO file of instances: {error}; export it again") from (
            error
        )
    if not content.images:
        raise InputError(f"{path} names no images; export it again")
    return content


def _class_names(path: Path, categories: Sequence[Category]) -> dict[Id, str]:
    """The name of each category; blanks around it do not count, as in the table of masks."""
    names: dict[Id, str] = {}
    for category in categories:
        name = category.name.strip()
        if not name or category.id in names or name in names.values():
            what = "has no name" if not name else f"({name!r}) is there twice"
            raise InputError(f"{path}: category {category.id} {what}; give each its own")
        names[category.id] = name
    return names


def _by_image(path: Path, content: Instances, names: Mapping[Id, str]) -> dict[Id, list[Region]]:
    """The regions of each image, checked."""
    pictures: dict[Id, Picture] = {}
    for picture in content.images:
        if picture.id in pictures:
            raise InputError(f"{path}: image id {picture.id} is there twice; give each its own")
        pictures[picture.id] = picture
    regions: dict[Id, list[Region]] = defaultdict(list)
    for region in content.annotations:
        where = f"{path}: annotation {'' if region.id is None else region.id}".rstrip()
        if region.image_id not in pictures:
            raise InputError(f"{where} is of image id {region.image_id}, which is not in the file")
        if region.category_id not in names:
            raise InputError(
                f"{where} is of category {region.category_id}; the file has"
                f" {', '.join(map(str, names)) or 'none'}"
            )
        _check(f"{where} ({pictures[region.image_id].file_name})", region, pictures)
        regions[region.image_id].append(region)
    if any(isinstance(region.segmentation, list) for region in content.annotations):
        _require_pycocotools()
    return regions


def _check(where: str, region: Region, pictures: Mapping[Id, Picture]) -> None:
    """Refuse what cannot be drawn, before pycocotools would draw something else."""
    shape, picture = region.segmentation, pictures[region.image_id]
    height, width = picture.height, picture.width
    if not shape:
        raise InputError(f"{where} has no segmentation, and a mask cannot be made from a box")
    if isinstance(shape, Runs):
        if shape.size != (height, width):
            raise InputError(
                f"{where} is a mask of {shape.size[0]}x{shape.size[1]} on an image of"
                f" {height}x{width}; export it again"
            )
        return
    for polygon in shape:
        if len(polygon) < 6 or len(polygon) % 2:
            raise InputError(
                f"{where} has a polygon of {len(polygon)} numbers; give x and y of three corners"
                " or more"
            )
        corners = np.array(polygon).reshape(-1, 2)
        if (corners < -1).any() or (corners > (width + 1, height + 1)).any():
            raise InputError(f"{where} reaches outside its image of {height}x{width}; mend it")


def _require_pycocotools() -> None:
    try:
        import pycocotools.mask  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "polygons are drawn by pycocotools; install it: pip install 'splittool[coco]'"
        ) from None


def _roots(folder: Path, annotations: Path) -> list[Path]:
    return [folder, folder / "images", folder / annotations.stem.removeprefix("instances_")]


def _annotated(
    path: Path,
    roots: Sequence[Path],
    picture: Picture,
    regions: Sequence[Region],
    names: Mapping[Id, str],
) -> Annotated:
    """An image with its regions, once its file is found to fit."""
    name = PurePosixPath(picture.file_name)
    if name.is_absolute() or ".." in name.parts or not name.name:
        raise InputError(f"{path}: file name {picture.file_name!r} leads out of the folder")
    file = next((root / name for root in roots if (root / name).is_file()), None)
    if file is None:
        places = ", ".join(str(root) for root in roots)
        raise InputError(
            f"there is no image {picture.file_name} in {places}; {path} names it; add it, or give"
            " `images`"
        )
    size = image_size(file)
    if size != (picture.height, picture.width):
        turned = "; its EXIF data turn it" if size == (picture.width, picture.height) else ""
        raise InputError(
            f"{file} is {size[0]}x{size[1]}, but {path} says {picture.height}x{picture.width}"
            f"{turned}; give the images that were annotated"
        )
    return Annotated(file, *size, partial(_draw, path, picture, regions, names))


def _draw(
    path: Path, picture: Picture, regions: Sequence[Region], names: Mapping[Id, str]
) -> dict[str, Mask]:
    """The masks of an image by class: all regions of a class together."""
    masks: dict[str, Mask] = {}
    for region in regions:
        try:
            mask = _mask(region, picture.height, picture.width)
        except ValueError as error:
            raise InputError(
                f"{path}: annotation {region.id} ({picture.file_name}): {error}; export it again"
            ) from None
        name = names[region.category_id]
        masks[name] = masks[name] | mask if name in masks else mask
    return masks


def _mask(region: Region, height: int, width: int) -> Mask:
    if isinstance(region.segmentation, Runs):
        return draw_runs(region.segmentation.counts, height, width)
    from pycocotools import mask

    runs = mask.merge(mask.frPyObjects(region.segmentation, height, width))
    return draw_runs(runs["counts"].decode(), height, width)


def draw_runs(counts: list[int] | str, height: int, width: int) -> Mask:
    """Draw COCO's runs: (H, W).

    pycocotools leaves the rest of a mask as memory was when the runs are too short for it.

    Raises:
        ValueError: They are not the runs of a mask of this size.
    """
    lengths = decompress(counts) if isinstance(counts, str) else counts
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        raise ValueError(
            f"the runs do not add up to {height}x{width} = {height * width} pixels, each once"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(width, height).T


def decompress(text: str) -> list[int]:
    """Lengths of runs from COCO's compressed text.

    Six bits to a character from "0" on: five of the number, the lowest first, and one that says
    that more follow. From the fourth number on, what is written is the difference from the number
    two before (rleFrString in pycocotools).

    Raises:
        ValueError: It is not such text.
    """
    lengths: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("the compressed runs are damaged")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("the compressed runs break off")
    return lengths
