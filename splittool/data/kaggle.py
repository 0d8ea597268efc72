"""The layout of Kaggle's "Severstal: Steel Defect Detection" as it is downloaded.

A folder holds `train_images/` and `train.csv`. The table names one image and class per row, in
either of the two headers the competition had; an image without a row has no defect.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splittool.data import rle
from splittool.data.images import MAX_PIXELS, Pixels, image_size, list_images, read_image
from splittool.errors import InputError
from splittool.files import require_file

HEADERS = (["ImageId", "ClassId", "EncodedPixels"], ["ImageId_ClassId", "EncodedPixels"])

# One image's defects: class name -> (n, 2) runs.
Runs = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Sample:
    """One image and its masks: a file with the rows of a table, or arrays in memory.

    Attributes:
        path: The image file; for an image in memory its name alone.
        height: Rows of the image.
        width: Columns of the image.
        runs: Its defects, run-length coded, by class name, where a table has them.
        pixels: (H, W, 3) RGB of an image in memory; None for a file.
        truth: (C, H, W) masks given as arrays; None where `runs` says everything.
    """

    path: Path
    height: int
    width: int
    runs: Runs
    pixels: Pixels | None = None
    truth: NDArray[np.bool_] | None = None

    @property
    def name(self) -> str:
        """The file name, or what an image in memory is called."""
        return self.path.name

    @property
    def file_bytes(self) -> int | None:
        """Size of the image file; None for an image in memory."""
        return None if self.pixels is not None else self.path.stat().st_size

    def image(self) -> Pixels:
        """Decode the image: (H, W, 3) RGB.

        Raises:
            InputError: It is damaged, or has another size than this sample.
        """
        if self.pixels is not None:
            return self.pixels
        pixels = read_image(self.path, self.height * self.width)  # as large as was agreed
        if pixels.shape[:2] != (self.height, self.width):
            raise InputError(f"{self.path} has changed its size since it was listed; start again")
        return pixels

    def masks(self, classes: Sequence[str]) -> NDArray[np.bool_]:
        """Draw the masks of the given classes, in their order: (C, H, W).

        Raises:
            InputError: The masks are arrays of another number of classes.
        """
        if self.truth is not None:
            if len(self.truth) != len(classes):
                raise InputError(
                    f"the masks of {self.name} have {len(self.truth)} classes, but"
                    f" {len(classes)} are asked for: {', '.join(classes)}"
                )
            return self.truth
        empty = np.empty((0, 2), dtype=np.int64)
        size = (self.height, self.width)
        return np.stack([rle.decode(self.runs.get(name, empty), *size) for name in classes])


@dataclass(frozen=True)
class Labels:
    """A table of masks.

    Attributes:
        path: The CSV file.
        classes: The class names it mentions: in numeric order if all are numbers, else by name.
        runs: Defects by image file name.
        lines: The line number of each (image, class) in the table, for messages.
    """

    path: Path
    classes: tuple[str, ...]
    runs: dict[str, Runs]
    lines: dict[tuple[str, str], int]

    def sample(self, image: Path, max_pixels: int = MAX_PIXELS) -> Sample:
        """Join an image file with its masks.

        Raises:
            InputError: It is not an image, too large, or a mask reaches outside it; or its name
                cannot stand on a line of a list.
        """
        if len(str(image.absolute()).splitlines()) > 1:
            raise InputError(
                f"{str(image)!r} has a line end in its name, and lists of images have one per line;"
                " rename it"
            )
        size = image_size(image, max_pixels)
        return self._checked(Sample(image, *size, self.runs_of(image)))

    def runs_of(self, image: Path) -> Runs:
        """The defects of an image; blanks around a name do not count, as in the table."""
        return self.runs.get(image.name.strip(), {})

    def join(self, name: Path, pixels: Pixels) -> Sample:
        """Join an image in memory with the masks of its name.

        Raises:
            InputError: A mask reaches outside it.
        """
        height, width, _ = pixels.shape
        return self._checked(Sample(name, height, width, self.runs_of(name), pixels))

    def _checked(self, sample: Sample) -> Sample:
        pixels = sample.height * sample.width
        for name, runs in sample.runs.items():
            if rle.last_pixel(runs) > pixels:
                line = self.lines[sample.name.strip(), name]
                raise InputError(
                    f"{self.path} line {line}: the mask reaches pixel {rle.last_pixel(runs)},"
                    f" but {sample.name} is {sample.height}x{sample.width} = {pixels} pixels;"
                    " give the image its mask was drawn on"
                )
        return sample


def read_folder(folder: Path, max_pixels: int = MAX_PIXELS) -> tuple[list[Sample], tuple[str, ...]]:
    """Read a data set in Kaggle's layout.

    Args:
        folder: Holds train_images/ and train.csv.
        max_pixels: The largest image, height times width, that is taken.

    Returns:
        One sample per image, sorted by name, and the class names.

    Raises:
        InputError: Something is missing, or the table does not fit the images.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; make one with: splittool synth {folder}")
    images = list_images(folder / "train_images")
    labels = read_labels(folder / "train.csv")
    _refuse_unknown_images(labels, {image.name.strip() for image in images})
    if not labels.classes:
        raise InputError(f"{labels.path} names no defects; add rows with masks to learn from")
    return [labels.sample(image, max_pixels) for image in images], labels.classes


def _refuse_unknown_images(labels: Labels, known: set[str]) -> None:
    for (image, _), line in labels.lines.items():
        if image not in known:
            near = get_close_matches(image, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "add the image or remove the row"
            raise InputError(f"{labels.path} line {line}: no image {image} in train_images; {hint}")


def read_labels(path: Path) -> Labels:
    """Read a table of masks, in either header form.

    Raises:
        InputError: It is missing, not such a table, or a mask in it is malformed.
    """
    require_file(path, "Kaggle's layout has train.csv beside train_images/")
    classes: set[str] = set()
    runs: dict[str, Runs] = defaultdict(dict)
    lines: dict[tuple[str, str], int] = {}
    for line, image, name, text in _rows(path):
        if (image, name) in lines:
            raise InputError(
                f"{path} line {line}: {image} has class {name} already on line"
                f" {lines[image, name]}; keep one of them"
            )
        classes.add(name)
        lines[image, name] = line
        try:
            parsed = rle.parse(text)
        except ValueError as error:
            raise InputError(
                f"{path} line {line}: mask of {image}, class {name}: {error};"
                " write runs as 'start length start length ...'"
            ) from None
        if len(parsed):
            runs[image][name] = parsed
    ordered = sorted(classes)  # "01" and "1" are equal numbers, and sets have no order
    if all(c.isdecimal() for c in classes):
        ordered.sort(key=int)
    return Labels(path, tuple(ordered), dict(runs), lines)


def _rows(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """Line number, image, class and runs of every row."""
    csv.field_size_limit(2**31 - 1)  # the runs of one mask can be longer than csv's default
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [field.strip() for field in next(reader, [])]
            if header not in HEADERS:
                shown = ",".join(header)[:60] or "nothing"
                raise InputError(
                    f"{path}: the header is {shown!r}; write"
                    f" {' or '.join(','.join(known) for known in HEADERS)}"
                )
            for row in reader:
                if row:
                    yield reader.line_num, *_split_row(path, reader.line_num, row, len(header))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a CSV text file ({error}); export it again") from error


def _split_row(path: Path, line: int, row: list[str], columns: int) -> tuple[str, str, str]:
    if len(row) != columns:
        raise InputError(
            f"{path} line {line}: {len(row)} columns instead of {columns};"
            " separate the runs by blanks, not commas"
        )
    if columns == 3:
        image, name, text = row
    else:
        image, _, name = row[0].rpartition("_")
        text = row[1]
    if not image.strip() or not name.strip():
        raise InputError(f"{path} line {line}: the image or the class is missing; fill it in")
    return image.strip(), name.strip(), text


def find_labels(image: Path) -> Path | None:
    """The train.csv that goes with an image: in its folder or the one above."""
    candidates = (image.parent / "train.csv", image.parent.parent / "train.csv")
    return next((path for path in candidates if path.is_file()), None)


def write_labels(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """A table in Kaggle's first header form from (image, class, runs) rows."""
    text = io.StringIO(newline="")
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(HEADERS[0])
    for row in rows:
        (quoted if "\r" in "".join(row[:2]) else plain).writerow(row)
    return text.getvalue().encode()
