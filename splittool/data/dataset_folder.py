"""Write a data set in Kaggle's layout from images and masks of any origin."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from splittool.data import rle
from splittool.data.images import SUFFIXES
from splittool.data.kaggle import write_labels
from splittool.errors import InputError, OutputError
from splittool.files import make_folder, output_errors, sweep, temporary_folder
from splittool.progress import Progress, counter, nobody
from splittool.reports.imports import ImportReport

_OURS = {"train_images", "train.csv"}


@dataclass(frozen=True)
class Annotated:
    """One image to import.

    Attributes:
        path: Its file.
        height: Its rows when upright.
        width: Its columns when upright.
        masks: Draws its (H, W) masks by class name; classes it does not show may be missing.
    """

    path: Path
    height: int
    width: int
    masks: Callable[[], Mapping[str, rle.Mask]]


def write_dataset(
    folder: Path,
    images: Sequence[Annotated],
    report: ImportReport,
    force: bool = False,
    progress: Progress = nobody,
) -> ImportReport:
    """Copy images, bytes as they are, and write the table of their masks.

    Args:
        folder: Where train_images/ and train.csv go; they appear whole or not at all.
        images: The images.
        report: What is known of the import; the numbers of images and pixels are filled in.
        force: Replace a data set that is already there.
        progress: Told how many images are written.

    Raises:
        InputError: A mask is damaged, or two images have one name.
        OutputError: The folder holds something else, or cannot be written.
    """
    _refuse_names(images)
    with new_dataset(folder, force) as target:
        _write(target, images, report, counter(progress, len(images), "images"))
    return report


def _refuse_names(images: Sequence[Annotated]) -> None:
    seen: dict[str, Path] = {}
    for image in images:
        if image.path.suffix.lower() not in SUFFIXES:
            raise InputError(
                f"{image.path} ends in none of {', '.join(SUFFIXES)}, by which image files are"
                " found; rename it"
            )
        other = seen.setdefault(image.path.stem, image.path)
        if other is not image.path:
            raise InputError(
                f"{image.path} and {other} have the same name in one folder of images and of"
                " masks; rename one"
            )


@contextmanager
def new_dataset(folder: Path, force: bool) -> Iterator[Path]:
    """Give an empty folder to fill with train_images/ and train.csv; they are put in place after.

    Raises:
        OutputError: `folder` holds something else, or a data set and `force` is off, or cannot be
            written.
    """
    _refuse_other_content(folder, force)
    is_new = not folder.exists()
    make_folder(folder)
    try:
        with (
            output_errors(folder),
            temporary_folder(folder) as temporary,
        ):
            (temporary / "train_images").mkdir()
            yield temporary
            (folder / "train.csv").unlink(missing_ok=True)
            shutil.rmtree(folder / "train_images", ignore_errors=True)
            for name in sorted(_OURS, reverse=True):  # the table last: it makes a data set
                (temporary / name).replace(folder / name)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def _refuse_other_content(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder with `output`")
    sweep(folder)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if present - _OURS:
        raise OutputError(
            f"{folder} holds {min(present - _OURS)}, which is not part of a data set; name another"
            " folder with `output`"
        )
    if present and not force:
        raise OutputError(
            f"{folder} exists; give `force` to replace it or another folder with `output`"
        )


def _write(
    target: Path, images: Sequence[Annotated], report: ImportReport, advance: Callable[[], None]
) -> None:
    rows: list[tuple[str, str, str]] = []
    found: Counter[str] = Counter()
    for image in images:
        shutil.copyfile(image.path, target / "train_images" / image.path.name)
        for name, mask in image.masks().items():
            if mask.any():
                rows.append((image.path.name, name, rle.encode(mask)))
                found[name] += int(mask.sum())
        advance()
    if not rows:
        raise InputError(f"{report.source} has no masks: there is nothing to learn from")
    (target / "train.csv").write_bytes(write_labels(rows))
    shown = Counter(name for _, name, _ in rows)
    all_pixels = sum(image.height * image.width for image in images)
    report.images = len(images)
    report.clean_images = len(images) - len({image for image, _, _ in rows})
    report.images_per_class = {name: shown[name] for name in sorted(shown)}
    report.pixel_share_per_class = {name: found[name] / all_pixels for name in sorted(shown)}
    report.classes_without_masks = sorted(set(report.classes_without_masks) - set(shown))
