"""Cuts and compressed inputs of a network that draws no masks, side by side."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.compare import ArmRecord, coding_tables
from splittool.reports.infer import OutputRecord
from splittool.tables import make_table

if TYPE_CHECKING:
    from rich.console import RenderableType


class OutputArmRecord(msgspec.Struct, frozen=True):
    """One way to get outputs, and how far they are from the whole network's.

    `arm` has what is sent and what each side computes, and no Dice; `outputs` are in the network's
    order. The answer of a network wholly on the device is its outputs, as they are.
    """

    arm: ArmRecord
    outputs: list[OutputRecord]


class CompareOutputsReport(Report, tag="splittool.compare-outputs/1"):
    """Cuts and image codecs on the same unlabelled images, of a network that draws no masks.

    `device_used` are OpenVINO's devices or ONNX Runtime's execution providers.
    """

    source: FileRecord
    device: str
    precision_requested: str
    precision_actual: str
    images: int
    arms: list[OutputArmRecord]
    runtime: str = "openvino"
    device_used: list[str] = msgspec.field(default_factory=list)

    def tables(self) -> "Sequence[RenderableType]":
        """The answer, cuts and the compressed input, each with how far its outputs are off."""
        whole = self.arms[0].arm
        answer = next(one.arm for one in self.arms if one.arm.kind == "answer")
        return [
            f"{self.source.path} whole: {whole.edge_gflops:.3f} GFLOPs, outputs of"
            f" {answer.payload_bytes_per_frame:,.0f} bytes",
            *self._table(
                "cut", "cut at", "cuts: differences from the whole network on the same images"
            ),
            *self._table(
                "image", "input as", "the input, compressed: differences from the input as it is"
            ),
            *coding_tables([one.arm for one in self.arms]),
            f"{self.images} images without labels; computed in {self.precision_actual} on"
            f" {', '.join(self.device_used) or self.device}; same largest: the largest value is at"
            " the same place, as the class of a classifier is",
        ]

    def _table(self, kind: str, place: str, title: str) -> "Iterator[RenderableType]":
        rows = [row for one in self.arms if one.arm.kind == kind for row in _rows(one, self._named)]
        if not rows:
            return
        level = "bits" if kind == "cut" else "quality"
        names = ["output"] if self._named else []
        columns = [place, *names, level, "bytes", "mean", "largest", "cosine"]
        yield make_table(title, [*columns, "same\nlargest"], rows, texts=1 + len(names))

    @property
    def _named(self) -> bool:
        """Whether outputs need names, because there are several."""
        return len(self.arms[0].outputs) > 1


def _rows(one: OutputArmRecord, named: bool) -> "Iterator[list[str]]":
    arm = one.arm
    level = arm.bits if arm.kind == "cut" else arm.quality
    place = arm.series.removeprefix("cut ") if arm.kind == "cut" else arm.series
    for output in one.outputs:
        yield [
            place,
            *([output.name] if named else []),
            "" if level is None else str(level),
            f"{arm.payload_bytes_per_frame:,.0f}",
            f"{output.mean_difference:.2g}",
            f"{output.largest_difference:.2g}",
            f"{output.cosine:.4f}",
            f"{output.same_largest:.1%}",
        ]
