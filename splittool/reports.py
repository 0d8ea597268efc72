"""The JSON reports: what each command prints when piped, and reads when piped into.

Every report carries its schema and version in `schema`, is validated when read, and records the
files it was made from by SHA-256. What was not measured is null, never zero.
"""

import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, overload

import msgspec

from splittool import __version__
from splittool.errors import InputError
from splittool.files import require_file, sha256


class FileRecord(msgspec.Struct, frozen=True):
    """A file that was read or written."""

    path: str
    bytes: int
    sha256: str


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


class Report(msgspec.Struct, kw_only=True, tag_field="schema"):
    """What all reports share."""

    created: str = msgspec.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )
    versions: dict[str, str] = msgspec.field(default_factory=lambda: versions())


class SynthReport(Report, tag="splittool.synth/1"):
    """A folder of synthetic steel."""

    folder: str
    images: int
    clean_images: int
    height: int
    width: int
    seed: int
    images_per_class: dict[str, int]
    pixel_share_per_class: dict[str, float]


class TrainReport(Report, tag="splittool.train/1"):
    """A finished training run; `best` is the epoch that the model was taken from."""

    folder: str
    model: FileRecord
    history: str
    validation_list: str
    curves: str | None
    settings: dict[str, Any]
    device: str
    processes: int
    classes: list[str]
    height: int
    width: int
    fit: str
    training_images: int
    validation_images: int
    epochs: int
    seconds: float
    seconds_per_step: float
    best: dict[str, Any]
    last: dict[str, Any]


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
    refused: list[RefusedRecord] = []
    renamed: dict[str, str] = {}


class LayerRecord(msgspec.Struct, frozen=True):
    """One operation.

    `gflops` is null when its type has no definition, `shape` when it depends on the data.
    """

    name: str
    type: str
    shape: list[int] | None
    gflops: float | None
    gmacs: float
    parameters: int
    weight_bytes: int
    elements: int
    bytes: int
    cumulative_gflops: float
    cumulative_gmacs: float
    cumulative_parameters: int
    cumulative_elements: int


class ModelAnalyzerRecord(msgspec.Struct, frozen=True):
    """What OpenVINO Model Analyzer says of the same graph, and the parts that are its mistakes."""

    gflops: float
    max_memory_elements: int
    index_output_gflops: float
    index_output_elements: int
    weight_conversion_elements: int


class ProfileReport(Report, tag="splittool.profile/1"):
    """Operations and memory of a model, its layers and its split points.

    `min_memory_elements` and `max_memory_elements` are by Model Analyzer's definitions of MinMem
    (the largest live set) and MaxMem (the sum of all outputs), without its mistakes.
    """

    source: FileRecord
    gflops: float
    gmacs: float
    parameters: int
    weight_bytes: int
    min_memory_elements: int
    min_memory_bytes: int
    max_memory_elements: int
    max_memory_bytes: int
    model_analyzer: ModelAnalyzerRecord
    not_counted: dict[str, int]
    layers: list[LayerRecord]
    splits: list[SplitRecord]
    refused: list[RefusedRecord] = []
    renamed: dict[str, str] = {}


class WindowRecord(msgspec.Struct, frozen=True):
    """A stretch of a benchmark; latencies in milliseconds."""

    start_s: float
    seconds: float
    frames: int
    fps: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class TemperatureRecord(msgspec.Struct, frozen=True):
    """The hottest sensor at a time of a run."""

    time_s: float
    sensor: str
    celsius: float


class BenchReport(Report, tag="splittool.bench-vpu/1"):
    """Frames per second of a model on a device; `interrupted` marks a partial run.

    `point` is the split point whose head was measured, where that is known. `drift` is the FPS of
    the last `drift_stretch_s` over that of the first, less one. `throttled` counts how often the
    processor was slowed down for its heat.
    """

    source: FileRecord
    device_requested: str
    device_used: list[str]
    device_name: str
    vpu_present: bool
    precision_requested: str
    precision_actual: str
    hint: str
    requests_in_flight: int
    streams: int | None
    warmup_s: float
    seconds: float
    frames: int
    fps: float
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    window_s: float
    windows: list[WindowRecord]
    interrupted: bool
    point: str | None = None
    runtime: str | None = None
    input: str = "random"
    compile_ms: float | None = None
    cached: bool = False
    drift: float | None = None
    drift_stretch_s: float | None = None
    temperatures: list[TemperatureRecord] = []
    throttled: int | None = None
    resident_first_bytes: int | None = None
    resident_last_bytes: int | None = None


class ReferenceRecord(msgspec.Struct, frozen=True):
    """One model side by side with another tool, round by round; ratios are ours over theirs."""

    tool: str
    model: str
    fps: list[float]
    our_fps: list[float]
    ratios: list[float]
    median_ratio: float
    p50_ms: list[float]
    our_p50_ms: list[float]


class BenchSetReport(Report, tag="splittool.bench-set/1"):
    """Several models measured in one call, one after the other or in turn by rounds.

    `fps` holds, by run, the FPS of every round.
    """

    rounds: int
    interleaved: bool
    runs: Annotated[list[BenchReport], msgspec.Meta(min_length=1)]
    fps: list[list[float]]
    references: list[ReferenceRecord]
    interrupted: bool


class AssumptionRecord(msgspec.Struct, frozen=True):
    """A figure of a device, and where it comes from."""

    what: str
    value: float
    source: str


class EstimateRecord(msgspec.Struct, frozen=True):
    """The least time a network would take: computed, never measured."""

    model: str
    basis: str
    stages: int
    engine_ms: float
    shaves_ms: float
    ddr_bytes: int
    link_bytes: int
    link_ms: float
    shaves: int
    latency_ms: float
    fps: float


class EstimateReport(Report, tag="splittool.estimate/1"):
    """A roofline from public figures of a device; nothing in it was measured."""

    chip: str
    measured: Literal[False]
    assumptions: list[AssumptionRecord]
    estimates: list[EstimateRecord]


class BitrateRow(msgspec.Struct, frozen=True):
    """What one split point sends; `mbps` is by frame rate, `links` by link and frame rate."""

    point: str
    bits: int | None
    elements: int | None
    payload_bytes: float
    mbps: dict[str, float]
    links: dict[str, dict[str, bool]]


class BitrateReport(Report, tag="splittool.bitrate/1"):
    """Mbit/s (10^6) of every split point, precision and frame rate; `links` holds their Mbit/s."""

    source: FileRecord | None
    bits: list[int]
    fps: list[float]
    links: dict[str, float]
    rows: list[BitrateRow]
    image_files: int | None
    max_mbps: float | None
    over_limit: list[str]


class ImageRecord(msgspec.Struct, frozen=True):
    """One image: what was sent for it, and its Dice by class where it has labels."""

    image: str
    height: int
    width: int
    file_bytes: int
    payload_bytes: int | None
    pixels: dict[str, int]
    dice: dict[str, float] | None


class ScoreRecord(msgspec.Struct, frozen=True):
    """Means over (image, class) pairs; see `splittool.data.scores`.

    `dice_interval` holds 95 % of what `dice` is over 1000 resamplings of the images.
    """

    kaggle: float
    floor: float
    dice: float | None
    pooled_dice: float | None
    dice_per_class: dict[str, float | None]
    pairs: int
    defective_pairs: int
    dice_interval: tuple[float, float] | None = None


class InferReport(Report, tag="splittool.infer/1"):
    """Predictions of a whole model or of both halves; bytes are means per frame.

    `mbps` is by frame rate, of what is sent: the crossing tensors of a cut, or the image files.
    `bits` is null and `codec` "mixed" where tensors differ, `bits_per_tensor` and
    `codec_per_tensor` have each; `ranges` says whether those of
    the quantiser came with each frame, one range per channel or tensor, or were calibrated. Of
    `key_interval` frames, all but one may say only what changed since the frame before.
    `bits_per_element` and `bits_per_pixel` are all bits of the frames over crossing values and over
    pixels of the images; times are means.
    """

    source: FileRecord
    cut: str | None
    bits: int | None
    folder: str
    device: str
    precision_requested: str
    precision_actual: str
    threshold: float
    images: int
    seconds: float
    images_per_second: float
    payload_bytes_per_frame: float | None
    bits_per_element: float | None
    image_file_bytes_per_frame: float
    raw_image_bytes_per_frame: float
    mbps: dict[str, float]
    scores: ScoreRecord | None
    rows: list[ImageRecord]
    codec: str | None = None
    ranges: Literal["frame", "calibrated"] | None = None
    calibration: FileRecord | None = None
    bits_per_tensor: dict[str, int] | None = None
    bits_per_pixel: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    key_interval: int | None = None
    ranges_per: Literal["channel", "tensor"] | None = None
    codec_per_tensor: dict[str, str] | None = None


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


class HeadRateRecord(msgspec.Struct, frozen=True):
    """A measured head of the planned model; `point` is null for the whole of it."""

    point: str | None
    gflops: float
    fps: float


class RateRecord(msgspec.Struct, frozen=True):
    """How quick a side is: as given, or frames per second of a benchmark x GFLOPs of its model.

    Where heads were measured, each operation takes its share, by FLOPs, of the time by which the
    smallest head that has it is slower than the one before; `fps` and `model_gflops` are then of
    the largest, whose mean rate is that of what no head has.
    """

    given: str
    gflops_per_second: float
    report: FileRecord | None = None
    device: str | None = None
    fps: float | None = None
    model_gflops: float | None = None
    heads: list[HeadRateRecord] = []


class LimitsRecord(msgspec.Struct, frozen=True):
    """What a place must keep to; null where nothing was asked for."""

    min_dice: float | None = None
    max_edge_gflops: float | None = None
    min_fps: float | None = None
    max_latency_ms: float | None = None


class PlanRow(msgspec.Struct, frozen=True):
    """One division of the work between edge and cloud.

    `latency_ms` is head, transfer, round trip and tail, one after the other; `fps` that of the
    slowest of edge, link and cloud, all at work on different frames, and null where nothing takes
    time. `payload_bytes` are measured where `measured` is true, else elements x bits; `bits` is
    null where no feature is sent, or where tensors differ; `codec` and `quality` say how features
    or the input were compressed. `excluded` names the limits that the row does not keep to.
    """

    point: str
    at: list[str]
    kind: Literal["edge-only", "cloud-only", "cut"]
    named: bool
    bits: int | None
    measured: bool
    payload_bytes: float
    dice: float | None
    head_gflops: float
    tail_gflops: float
    head_gflops_share: float
    head_weighted_layers: int
    head_ms: float
    transfer_ms: float
    tail_ms: float
    latency_ms: float
    fps: float | None
    bottleneck: Literal["edge", "link", "cloud"] | None
    excluded: list[str] = []
    codec: str | None = None
    quality: int | None = None


class PlanReport(Report, tag="splittool.plan/1"):
    """Every place to cut under the rates of edge, link and cloud, and the best.

    `chosen` is the place in `rows` of the best one within the limits, null if there is none;
    `best_cut` of the best one with a convolution or matrix product in the head, within the limits
    if any of these is, null if there is none; `optimum` of the least latency over all closed cuts,
    those that are no place in topological order included, whatever the limits.
    """

    source: FileRecord
    edge: RateRecord
    cloud: RateRecord
    link: str
    link_mbps: float
    rtt_ms: float
    bits: int
    image_bytes: float | None
    objective: Literal["latency", "fps"]
    limits: LimitsRecord
    inferred: list[FileRecord]
    rows: Annotated[list[PlanRow], msgspec.Meta(min_length=2)]
    chosen: int | None
    best_cut: int | None
    optimum: int
    not_counted: dict[str, int] = {}
    refused: list[RefusedRecord] = []


class PlotReport(Report, tag="splittool.plot/1"):
    """A figure that was drawn, and what from."""

    kind: str
    reports: list[str]
    figure: FileRecord


class CheckRecord(msgspec.Struct, frozen=True):
    """Something that is here, or not; `fix` holds the commands that get it."""

    name: str
    present: bool
    detail: str
    fix: list[str] = []


class DoctorReport(Report, tag="splittool.doctor/1"):
    """What is here to measure and compile with."""

    checks: list[CheckRecord]


AnyReport = (
    SynthReport
    | TrainReport
    | ExportReport
    | CutReport
    | CalibrationReport
    | SplitsReport
    | ProfileReport
    | BenchReport
    | BenchSetReport
    | EstimateReport
    | BitrateReport
    | InferReport
    | PlanReport
    | PlotReport
    | CompareReport
    | DoctorReport
)

R = TypeVar("R", bound=Report)
S = TypeVar("S", bound=Report)


def versions() -> dict[str, str]:
    """Versions of what decides a result; torch only where it was used."""
    found = {"splittool": __version__, "python": platform.python_version()}
    for name in ("openvino", "numpy", "zstandard", "imagecodecs", "torch"):
        if name in sys.modules:
            found[name] = metadata.version(name)
    return found


def file_record(path: Path, shown: str | None = None) -> FileRecord:
    """Describe a file; `shown` is the name to record in place of its path."""
    return FileRecord(shown or str(path), path.stat().st_size, sha256(path))


def encode(report: Report) -> bytes:
    """A report as indented JSON text with a line end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode(text: bytes, name: str, *kinds: type[R]) -> R:
    """Read a report of one of some kinds.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        kinds: The report classes expected.

    Raises:
        InputError: It is not JSON, not a report of ours, or of another kind.
    """
    wanted = " or ".join(str(kind.__struct_config__.tag) for kind in kinds) + " report"
    found = decode_any(text, name, wanted)
    if not isinstance(found, kinds):
        raise InputError(f"{name} is a {found.__struct_config__.tag} report; give a {wanted}")
    return found


def decode_any(text: bytes, name: str, wanted: str = "report of splittool") -> AnyReport:
    """Read a report of any kind.

    Args:
        text: The JSON.
        name: Where it came from, for messages.
        wanted: What was expected, for messages.

    Raises:
        InputError: It is not JSON, or not a report of ours.
    """
    try:
        found: AnyReport = msgspec.json.decode(text, type=AnyReport)
    except msgspec.ValidationError as error:
        raise InputError(f"{name} is not a splittool report ({error}); make it again") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name} is not JSON ({error}); give a {wanted}") from None
    return found


@overload
def read_report(path: Path, kind: type[R]) -> R: ...
@overload
def read_report(path: Path, kind: type[R], other: type[S]) -> R | S: ...
def read_report(path: Path, kind: type[Report], other: type[Report] | None = None) -> Report:
    """Read a report file of one or another kind; see `decode`."""
    require_file(path, "make one with --json")
    kinds = [kind] if other is None else [kind, other]
    return decode(path.read_bytes(), str(path), *kinds)
