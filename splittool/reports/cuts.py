"""Where a network can be cut, and its two halves."""

from typing import Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report


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
