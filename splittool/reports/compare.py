"""Cuts beside the compressed input."""

from typing import Literal

import msgspec

from splittool.reports.base import FileRecord, Report


class ArmRecord(msgspec.Struct, frozen=True):
    """One way to get masks: the whole network, a cut with its link, or a compressed input.

    Bytes are means per frame. `dice` is over defective pairs, `dice_interval` holds 95 % of its
    bootstrap over images, `dice_loss` is from the whole network on the images as they are.
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
