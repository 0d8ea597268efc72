"""Ranges of the quantiser, chosen from images."""

from typing import Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report


class CalibratedRecord(msgspec.Struct, frozen=True):
    """The quantiser's ranges for one precision: value = symbol * step + low.

    `low` and `step` are by channel, or of one value for all.

    `chosen` says in words what they are: `min-max`, `percentile 99.9`, or `of each channel`.
    """

    bits: Annotated[int, msgspec.Meta(ge=1, le=16)]
    chosen: str
    low: list[float]
    step: list[Annotated[float, msgspec.Meta(ge=0)]]


class CalibratedTensorRecord(msgspec.Struct, frozen=True):
    """A crossing tensor's ranges."""

    name: str
    ranges: list[CalibratedRecord]


class SearchRecord(msgspec.Struct, frozen=True):
    """The fewest bits by tensor that cost no more than `max_dice_loss`, on measured Dice."""

    bits: dict[str, Annotated[int, msgspec.Meta(ge=1, le=16)]]
    dice: float
    dice_unquantised: float
    max_dice_loss: float
    images: int
    measurements: int


class CalibrationReport(Report, tag="splittool.calibration/1"):
    """Ranges of all that crosses a cut, chosen from images; `calibration.json` beside cut.json."""

    cut: FileRecord
    images: int
    method: str
    tensors: list[CalibratedTensorRecord]
    search: SearchRecord | None = None
    per: Literal["channel", "tensor"] = "channel"
