"""Cuts beside the compressed input."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


class ArmRecord(msgspec.Struct, frozen=True):
    """One way to get masks: the whole network, a cut with its link, or a compressed input.

    Bytes are means per frame. `dice` is over defective pairs, `dice_interval` is its 95 %
    confidence interval, from the `dice_interval_images` images that have a defect; `dice_loss` is
    from the whole network on the images as they are.
    """

    kind: Literal["whole", "cut", "image"]
    point: str | None = None
    bits: int | None = None
    codec: str | None = None
    quality: int | None = None
    edge_gflops: float = 0.0
    payload_bytes_per_frame: float = 0.0
    bits_per_pixel: float = 0.0
    dice: float | None = None
    dice_interval: tuple[float, float] | None = None
    dice_loss: float | None = None
    pooled_dice: float | None = None
    kaggle: float | None = None
    dice_interval_images: int | None = None


class CompareReport(Report, tag="splittool.compare/1"):
    """Cuts and image codecs on the same labelled images.

    `floor` is the Kaggle metric of predicting nothing.
    """

    source: FileRecord
    device: str
    precision_requested: str
    precision_actual: str
    threshold: float
    images: int
    defective_pairs: int
    floor: float
    arms: list[ArmRecord]

    def tables(self) -> "Sequence[RenderableType]":
        """Cuts, and the compressed input."""
        whole = self.arms[0]
        title = f"{self.source.path} whole: Dice {_dice(whole)}, {whole.edge_gflops:.3f} GFLOPs"
        return [
            _cut_table(title, [arm for arm in self.arms if arm.kind == "cut"]),
            _image_table([arm for arm in self.arms if arm.kind == "image"]),
            f"{self.images} images, {self.defective_pairs} defective pairs;"
            f" computed in {self.precision_actual} on {self.device}; in brackets 95 % of a"
            " bootstrap over images",
        ]


def _cut_table(title: str, arms: Sequence[ArmRecord]) -> "Table":
    codecs = list(dict.fromkeys(arm.codec for arm in arms))
    rows: dict[tuple[str | None, int | None], list[ArmRecord]] = {}
    for arm in arms:
        rows.setdefault((arm.point, arm.bits), []).append(arm)
    lines = [
        [
            str(point),
            str(number),
            *(f"{arm.payload_bytes_per_frame / 1e3:.1f}" for arm in members),
            _dice(members[0]),
            short(members[0].dice_loss, 4),
            f"{members[0].edge_gflops:.2f}",
        ]
        for (point, number), members in rows.items()
    ]
    columns = ["cut at", "bits", *(f"{codec}\nkB" for codec in codecs)]
    return make_table(title, [*columns, "Dice", "loss", "edge\nGFLOPs"], lines)


def _image_table(arms: Sequence[ArmRecord]) -> "Table":
    lines = [
        [
            str(arm.codec),
            "" if arm.quality is None else str(arm.quality),
            f"{arm.payload_bytes_per_frame / 1e3:.1f}",
            short(arm.bits_per_pixel, 3),
            _dice(arm),
            short(arm.dice_loss, 4),
        ]
        for arm in arms
    ]
    columns = ["input as", "quality", "kB", "bits/pixel", "Dice", "loss"]
    return make_table("the input, compressed", columns, lines)


def _dice(arm: ArmRecord) -> str:
    if arm.dice is None:
        return "-"
    ends = arm.dice_interval
    return f"{arm.dice:.4f}" + (f" ({ends[0]:.2f}-{ends[1]:.2f})" if ends else "")
