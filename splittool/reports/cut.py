"""Where a network can be cut, and its two halves."""

from typing import Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.export import BlobRecord


class TensorRecord(msgspec.Struct, frozen=True, gc=False):
    """A tensor that crosses a cut; `bits` is what one element takes in the graph."""

    name: str
    shape: list[int]
    type: str
    bits: int
    elements: int


class SplitRecord(msgspec.Struct, frozen=True, gc=False):
    """One split point and what each side has to do.

    `at` holds the operations to cut after, one `--at` each; `difference` is that of head and tail
    together from the whole, as a share of the output's range, where it was measured.
    """

    point: str
    at: list[str]
    elements: int
    tensors: Annotated[list[TensorRecord], msgspec.Meta(min_length=1)]
    head_operations: int
    tail_operations: int
    head_weighted_layers: int
    head_gflops: float
    tail_gflops: float
    head_gmacs: float
    tail_gmacs: float
    head_gflops_share: float
    head_parameters: int
    head_weight_bytes: int
    head_live_elements: int
    head_live_bytes: int
    head_sum_elements: int
    head_sum_bytes: int
    difference: float | None = None


class VerificationRecord(msgspec.Struct, frozen=True):
    """Head and tail against the whole on one random input."""

    difference: float
    output_range: float
    tolerance: float
    device: str
    precision: str


class BakedRecord(msgspec.Struct, frozen=True):
    """A quantiser inside head and tail: `tensors` are those it stands for."""

    bits: Literal[8, 4]
    tensors: list[TensorRecord]


class CutReport(Report, tag="splittool.cut/1"):
    """A cut, as `cut.json` describes it; file names are relative to it."""

    source: FileRecord
    split: SplitRecord
    head: Annotated[list[FileRecord], msgspec.Meta(min_length=2)]
    tail: Annotated[list[FileRecord], msgspec.Meta(min_length=2)]
    input: TensorRecord
    classes: list[str]
    fit: Literal["pad", "resize"]
    verification: VerificationRecord
    target: str = "openvino"
    blob: BlobRecord | None = None
    baked: BakedRecord | None = None


class RefusedRecord(msgspec.Struct, frozen=True):
    """A place where a graph cannot be cut, and why."""

    point: str
    reason: str


class SplitsReport(Report, tag="splittool.splits/1"):
    """The split points of a model, from `cut --list` or `cut --all`.

    `renamed` holds the names that were made unique, and what they were.
    """

    source: FileRecord
    splits: list[SplitRecord]
    refused: list[RefusedRecord] = msgspec.field(default_factory=list)
    renamed: dict[str, str] = msgspec.field(default_factory=dict)
