"""A checkpoint as OpenVINO IR."""

from typing import Literal

import msgspec

from splittool.reports.base import FileRecord, Report


class BlobRecord(msgspec.Struct, frozen=True):
    """A network compiled for Myriad X.

    Of its `stages`, `hardware_stages` run on the neural compute engine, the rest on the SHAVEs;
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


class ExportReport(Report, tag="splittool.export/1"):
    """A converted model; `difference` is the largest of a probability against torch in 32 bits."""

    source: FileRecord
    model: FileRecord
    weights: FileRecord
    weight_precision: Literal["fp16", "fp32"]
    input_shape: list[int]
    output_shape: list[int]
    classes: list[str]
    split_points: list[str]
    difference: float
    target: str = "openvino"
    blob: BlobRecord | None = None
