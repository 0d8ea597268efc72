"""Write a folder of synthetic steel."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from splittool.data import rle
from splittool.data.kaggle import write_labels
from splittool.data.synthetic import CLASSES, generate
from splittool.errors import OutputError
from splittool.files import make_folder, output_errors
from splittool.reports import SynthReport

_OURS = {"train_images", "train.csv"}


def write_synthetic(
    folder: Path,
    images: int,
    height: int,
    width: int,
    seed: int,
    force: bool = False,
    advance: Callable[[], None] = lambda: None,
) -> SynthReport:
    """Make a data set in Kaggle's layout; the folder appears whole or not at all.

    Args:
        folder: Where; train_images/ and train.csv go into it.
        images: How many.
        height: Of each image.
        width: Of each image.
        seed: The same seed gives the same files.
        force: Replace a data set that is there.
        advance: Called once per image.

    Raises:
        OutputError: The folder holds something else, or cannot be written.
        UsageError: The size is too small to draw defects.
    """
    _refuse_other_content(folder, force)
    generate(seed, 0, height, width)  # a bad size is refused before the folder is made
    make_folder(folder)
    with (
        output_errors(folder),
        tempfile.TemporaryDirectory(dir=folder, prefix=".synth-") as temporary,
    ):
        report = _write(Path(temporary), folder, images, height, width, seed, advance)
        shutil.rmtree(folder / "train_images", ignore_errors=True)
        for name in sorted(_OURS):
            (Path(temporary) / name).replace(folder / name)
    return report


def _refuse_other_content(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; name a folder")
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if present - _OURS:
        raise OutputError(
            f"{folder} holds {min(present - _OURS)}, which is not a data set; name another folder"
        )
    if present and not force:
        raise OutputError(f"{folder} exists; give --force to replace it or name another folder")


def _write(
    target: Path,
    folder: Path,
    images: int,
    height: int,
    width: int,
    seed: int,
    advance: Callable[[], None],
) -> SynthReport:
    (target / "train_images").mkdir()
    rows: list[tuple[str, str, str]] = []
    pixels: Counter[str] = Counter()
    for index in range(images):
        grey, masks = generate(seed, index, height, width)
        name = f"steel_{index:05d}.jpg"
        image = Image.fromarray(grey).convert("RGB")
        image.save(target / "train_images" / name, quality=95)
        for class_name, mask in zip(CLASSES, masks, strict=True):
            if mask.any():
                rows.append((name, class_name, rle.encode(mask)))
                pixels[class_name] += int(mask.sum())
        advance()
    (target / "train.csv").write_bytes(write_labels(rows))
    per_class = Counter(name for _, name, _ in rows)
    return SynthReport(
        folder=str(folder),
        images=images,
        clean_images=images - len({image for image, _, _ in rows}),
        height=height,
        width=width,
        seed=seed,
        images_per_class={name: per_class[name] for name in CLASSES},
        pixel_share_per_class={n: pixels[n] / (images * height * width) for n in CLASSES},
    )
