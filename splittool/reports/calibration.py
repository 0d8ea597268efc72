"""Ranges of the quantiser, chosen from images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table

if TYPE_CHECKING:
    from rich.console import RenderableType


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

    command = "splittool calibrate cut.json IMAGES"
    cut: FileRecord
    images: int
    method: str
    tensors: list[CalibratedTensorRecord]
    search: SearchRecord | None = None
    per: Literal["channel", "tensor"] = "channel"

    def tables(self, written: Path | None = None) -> "Sequence[RenderableType]":
        """The ranges of each tensor and precision, and what a search found.

        Args:
            written: The file that holds them; None leaves it out.
        """
        rows = [
            [tensor.name, str(found.bits), found.chosen, f"{min(found.low):.4g}", _highest(found)]
            for tensor in self.tensors
            for found in tensor.ranges
        ]
        columns = ["crossing tensor", "bits", "ranges", "lowest", "highest"]
        lines: list[RenderableType] = [
            make_table(f"{self.cut.path} over {self.images} images", columns, rows)
        ]
        if self.search:
            lines.append(_found(self.search))
        return lines if written is None else [*lines, f"wrote {written}"]


def _highest(found: CalibratedRecord) -> str:
    steps = 2**found.bits - 1
    highest = max(low + step * steps for low, step in zip(found.low, found.step, strict=True))
    return f"{highest:.4g}"


def _found(search: SearchRecord) -> str:
    bits = ", ".join(f"{name} {number}" for name, number in search.bits.items())
    return (
        f"fewest bits: {bits}; Dice {search.dice:.4f} of {search.dice_unquantised:.4f}"
        f" (--max-dice-loss {search.max_dice_loss:g}), {search.measurements} measurements"
    )
