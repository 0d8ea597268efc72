"""A checkpoint as OpenVINO IR."""

from typing import TYPE_CHECKING, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class BlobRecord(msgspec.Struct, frozen=True):
    """A network compiled for Myriad X.

    `hardware_stages` of its `stages` run on the neural compute engine, the rest on the SHAVEs.
    `ddr_bytes` and `cmx_bytes` are activations in the device's slow and fast memory.
    """

    file: FileRecord
    shaves: int
    stages: int
    hardware_stages: int
    ddr_bytes: int
    cmx_bytes: int


def blob_line(blob: BlobRecord) -> str:
    """What the compiler made."""
    return (
        f"{blob.file.path}: {blob.file.bytes:,} bytes for {blob.shaves} SHAVEs,"
        f" {blob.hardware_stages} of {blob.stages} stages on the neural compute engine"
    )


class ExportReport(Report, tag="splittool.conversion/1"):
    """A converted model.

    `difference` is the largest difference of a probability from torch, which computes in 32 bits;
    None where it was not measured, as of a program of another tool.
    """

    source: FileRecord
    model: FileRecord
    weights: FileRecord
    weight_precision: Literal["fp16", "fp32"]
    input_shape: list[int]
    output_shape: list[int]
    classes: list[str]
    split_points: list[str]
    difference: float | None
    target: str = "openvino"
    blob: BlobRecord | None = None

    def tables(self) -> "Sequence[RenderableType]":
        """What the graph is, and how far it is from torch."""
        ours = self.difference is not None  # a checkpoint, made by this package
        rows = [
            ["weights", f"{self.weight_precision}, {self.weights.bytes:,} bytes"],
            ["input", f"{self.input_shape}{' 8-bit pixels' if ours else ''}"],
            ["output", f"{self.output_shape}{' probabilities' if ours else ''}"],
        ]
        if self.difference is not None:
            rows += [
                ["classes", ", ".join(self.classes)],
                ["split points", ", ".join(self.split_points)],
                ["largest difference from torch", f"{self.difference:.1e}"],
            ]
        table = make_table(f"{self.source.path} as {self.model.path}", ["", ""], rows)
        return [table, *([blob_line(self.blob)] if self.blob else [])]
