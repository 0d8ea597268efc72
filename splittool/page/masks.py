"""Some images with their true masks, and with those that were predicted one way or another."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.data.images import Pixels
from splittool.data.kaggle import Labels, Sample, read_labels
from splittool.data.overlays import colour, layer
from splittool.errors import InputError
from splittool.files import require_file, sha256
from splittool.page.drawings import address
from splittool.page.sources import Source
from splittool.reports import FileRecord, ImageRecord, InferReport
from splittool.tables import printable

_TRUTH = "true masks"


@dataclass(frozen=True)
class Layer:
    """Masks over an image.

    Attributes:
        caption: What they are, what was sent for them, and their Dice.
        address: The transparent picture of them.
    """

    caption: str
    address: str


@dataclass(frozen=True)
class Picture:
    """One image and its layers, in the order of the steps.

    Attributes:
        name: Its file's.
        height: Rows.
        width: Columns.
        address: The image without masks.
        layers: One for each step.
    """

    name: str
    height: int
    width: int
    address: str
    layers: list[Layer]


@dataclass(frozen=True)
class Series:
    """The same images under a slider.

    Attributes:
        steps: What the slider goes through: the truth where it is known, then each report, the most
            bytes first.
        classes: Names of the classes and their colours in CSS.
        pictures: The images that are shown.
        images: How many there are in the reports.
    """

    steps: list[str]
    classes: list[tuple[str, str]]
    pictures: list[Picture]
    images: int


def mask_series(sources: Sequence[Source], number: int) -> list[Series]:
    """Reports of `infer` as pictures: those of the same images and labels together.

    Args:
        sources: The reports; others, and those that kept no predictions, say nothing here.
        number: Images to show. Those with a defect are shown, evenly from all of them.

    Raises:
        InputError: An image, the labels or the predictions are gone or not those of the report.
    """
    together: dict[tuple[object, ...], list[_Predicted]] = {}
    for source in sources if number else ():
        report = source.report
        if isinstance(report, InferReport) and report.predictions and report.rows[0].path:
            same = (report.labels, *(row.path for row in report.rows), *report.rows[0].pixels)
            together.setdefault(same, []).append(_Predicted(source, report, report.predictions))
    return [_series(reports, number) for reports in together.values()]


@dataclass(frozen=True)
class _Predicted:
    source: Source
    report: InferReport
    predictions: FileRecord

    @property
    def name(self) -> str:
        """What was sent to make the masks."""
        if self.source.label:
            return self.source.name
        report = self.report
        if report.cut is None:
            return f"whole network {printable(Path(report.source.path).name)}"
        bits = "" if report.codec == "learned" else f"{report.bits or 'mixed'}-bit "
        return f"cut at {printable(report.cut)}, {bits}{report.codec}"


def _series(reports: list[_Predicted], number: int) -> Series:
    reports.sort(key=lambda each: -(each.report.payload_bytes_per_frame or float("inf")))
    first = reports[0].report
    classes = list(first.rows[0].pixels)
    truth = _table(first.labels) if first.labels else None
    tables = [_table(each.predictions) for each in reports]
    shown = _chosen(first.rows, truth, number)
    pictures = [_picture(index, reports, tables, truth, classes) for index in shown]
    names = [printable(name) for name in classes]
    colours = ["rgb({} {} {})".format(*colour(index)) for index in range(len(classes))]
    steps = [*([_TRUTH] if truth else []), *(each.name for each in reports)]
    return Series(steps, list(zip(names, colours, strict=True)), pictures, len(first.rows))


def _table(record: FileRecord) -> Labels:
    """The table of masks that a report names, as it was then."""
    path = Path(record.path)
    require_file(path, "infer again, or give `images` 0")
    if sha256(path) != record.sha256:
        raise InputError(
            f"{path} is not the table that the report of infer is about; infer again, or give"
            " `images` 0"
        )
    return read_labels(path)


def _chosen(rows: Sequence[ImageRecord], truth: Labels | None, number: int) -> list[int]:
    """Images with a defect, evenly from all; by the predictions where the truth is not known."""

    def has_defect(row: ImageRecord) -> bool:
        return bool(truth.runs_of(Path(row.image)) if truth else any(row.pixels.values()))

    found = [index for index, row in enumerate(rows) if has_defect(row)] or list(range(len(rows)))
    even = np.linspace(0, len(found) - 1, min(number, len(found)))
    return [found[round(float(place))] for place in even]


def _picture(
    index: int,
    reports: Sequence[_Predicted],
    tables: Sequence[Labels],
    truth: Labels | None,
    classes: Sequence[str],
) -> Picture:
    row = reports[0].report.rows[index]
    path = Path(str(row.path))
    require_file(path, "infer again, or give `images` 0")
    pixels = Sample(path, row.height, row.width, {}).image()

    def masks(table: Labels) -> NDArray[np.bool_]:
        return Sample(path, row.height, row.width, table.runs_of(path)).masks(classes)

    true = masks(truth) if truth else None
    layers = [Layer(_TRUTH, _png(layer(true, None)))] if true is not None else []
    for each, table in zip(reports, tables, strict=True):
        picture = _png(layer(masks(table), true))
        layers.append(
            Layer(_caption(each, each.report.rows[index], _present(true, classes)), picture)
        )
    return Picture(printable(row.image), row.height, row.width, _jpeg(pixels), layers)


def _present(true: NDArray[np.bool_] | None, classes: Sequence[str]) -> list[str]:
    """The classes that an image has, as far as it is known."""
    return [] if true is None else [n for n, m in zip(classes, true, strict=True) if m.any()]


def _caption(each: _Predicted, row: ImageRecord, present: Sequence[str]) -> str:
    """Bytes, and the mean Dice of the classes that are present."""
    sent = "" if row.payload_bytes is None else f", {row.payload_bytes:,} bytes"
    dice = [row.dice[name] for name in present] if row.dice else []
    return f"{each.name}{sent}" + (f", Dice {fmean(dice):.3f}" if dice else "")


def _jpeg(pixels: Pixels) -> str:
    data = BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=75)
    return address("image/jpeg", data.getvalue())


def _png(picture: Image.Image) -> str:
    data = BytesIO()
    picture.save(data, "PNG", optimize=True)
    return address("image/png", data.getvalue())
