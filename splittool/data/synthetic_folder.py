"""Write a folder of synthetic steel."""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from splittool.data import rle
from splittool.data.kaggle import write_labels
from splittool.data.synthetic import CLASSES, generate
from splittool.errors import OutputError
from splittool.files import filled_folder, output_errors, sweep, temporary_folder
from splittool.progress import Progress, counter, nobody
from splittool.reports import SynthReport

_OURS = {"train_images", "train.csv"}


def write_synthetic(
    folder: str | Path,
    images: int = 64,
    height: int = 256,
    width: int = 1600,
    seed: int = 0,
    force: bool = False,
    progress: Progress = nobody,
) -> SynthReport:
    """Make a data set in Kaggle's layout; the folder appears whole or not at all.

    Args:
        folder: The folder to make; train_images/ and train.csv go into it.
        images: Number of images.
        height: Height of each image in pixels.
        width: Width of each image in pixels.
        seed: The same seed gives the same files.
        force: Replace a data set that is already there.
        progress: Told how many images are drawn.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
        UsageError: The size is too small to draw defects.
    """
    folder = Path(folder)
    _refuse_other_content(folder, force)
    generate(seed, 0, height, width)  # a bad size is refused before the folder is made
    with (
        filled_folder(folder),
        output_errors(folder),
        temporary_folder(folder) as temporary,
    ):
        advance = counter(progress, images, "rolling steel")
        report = SynthReport(str(folder), images, 0, height, width, seed, {}, {})
        _write(temporary, report, advance)
        shutil.rmtree(folder / "train_images", ignore_errors=True)
        for name in sorted(_OURS):
            (temporary / name).replace(folder / name)
    return report


def _refuse_other_content(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder")
    sweep(folder)
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if present - _OURS:
        raise OutputError(
            f"{folder} holds {min(present - _OURS)}, which is not a data set; name another folder"
        )
    if present and not force:
        raise OutputError(f"{folder} exists; give `force` to replace it or name another folder")


def _write(target: Path, report: SynthReport, advance: Callable[[], None]) -> None:
    """Draw the images that a report describes, write them, and fill in what they show."""
    (target / "train_images").mkdir()
    rows: list[tuple[str, str, str]] = []
    pixels: Counter[str] = Counter()
    for index in range(report.images):
        grey, masks = generate(report.seed, index, report.height, report.width)
        name = f"steel_{index:05d}.jpg"
        image = Image.fromarray(grey).convert("RGB")
        image.save(target / "train_images" / name, quality=95)
        for class_name, mask in zip(CLASSES, masks, strict=True):
            if mask.any():
                rows.append((name, class_name, rle.encode(mask)))
                pixels[class_name] += int(mask.sum())
        advance()
    (target / "train.csv").write_bytes(write_labels(rows))
    images = Counter(name for _, name, _ in rows)
    all_pixels = report.images * report.height * report.width
    report.clean_images = report.images - len({image for image, _, _ in rows})
    report.images_per_class = {name: images[name] for name in CLASSES}
    report.pixel_share_per_class = {name: pixels[name] / all_pixels for name in CLASSES}
