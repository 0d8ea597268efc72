"""Masks, bytes and scores of a network, whole or split."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, short
from splittool.vocabulary import RangesUsed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


class ImageRecord(msgspec.Struct, frozen=True):
    """One image: what was sent for it, and its Dice by class where it has labels.

    `path` is its file; null for an image in memory.
    """

    image: str
    height: int
    width: int
    file_bytes: int | None
    payload_bytes: int | None
    pixels: dict[str, int]
    dice: dict[str, float] | None
    path: str | None = None


class ScoreRecord(msgspec.Struct, frozen=True):
    """Means over (image, class) pairs; see `splittool.data.scores`.

    `dice_interval` is the 95 % confidence interval of `dice`, from the `dice_interval_images`
    images that have a defect.
    """

    kaggle: float
    floor: float
    dice: float | None
    pooled_dice: float | None
    dice_per_class: dict[str, float | None]
    pairs: int
    defective_pairs: int
    dice_interval: tuple[float, float] | None = None
    dice_interval_images: int | None = None


class AgainstWholeRecord(msgspec.Struct, frozen=True):
    """What the link of a split network lost against the whole network on the same images.

    `dice` is the whole network's and `dice_loss` what is lost of it, with the 95 % interval of a
    bootstrap of pairs; null without labels. `other_pixels` is the mean share of pixels whose masks
    differ, `largest_difference` the largest between two probabilities.
    """

    other_pixels: float
    largest_difference: float
    dice: float | None = None
    dice_loss: float | None = None
    dice_loss_interval: tuple[float, float] | None = None


class OutputRecord(msgspec.Struct, frozen=True):
    """One output of a network that draws no masks, split against whole on the same images.

    `largest_difference` is over all values of all images, `mean_difference` the mean of the means
    of the images, `cosine` the mean of the cosines of the angle between the two; `same_largest` is
    the share of images whose largest value is at the same place, as the class of a classifier is.
    """

    name: str
    shape: list[int]
    largest_difference: float
    mean_difference: float
    cosine: float
    same_largest: float


class InferReport(Report, tag="splittool.infer/1"):
    """Predictions of a whole model or of both halves; bytes are means per frame.

    `mbps` is by frame rate, of what is sent: the crossing tensors of a cut, or the image files.
    `bits` is null and `codec` "mixed" where tensors differ, `bits_per_tensor` and
    `codec_per_tensor` have each; `ranges` says whether those of
    the quantiser came with each frame, one range per channel or tensor, or were calibrated, or
    whether a latent of whole numbers needed none. Of
    `key_interval` frames, all but one may say only what changed since the frame before.
    `bits_per_element` and `bits_per_pixel` are all bits of the frames over crossing values and over
    pixels of the images; times are means. `labels` is the table of the true masks, `predictions`
    that of the predicted ones.
    """

    source: FileRecord
    cut: str | None
    bits: int | None
    folder: str | None
    device: str
    precision_requested: str
    precision_actual: str
    threshold: float
    images: int
    seconds: float
    images_per_second: float
    payload_bytes_per_frame: float | None
    bits_per_element: float | None
    image_file_bytes_per_frame: float | None
    raw_image_bytes_per_frame: float
    mbps: dict[str, float]
    scores: ScoreRecord | None
    rows: list[ImageRecord]
    codec: str | None = None
    ranges: RangesUsed | None = None
    calibration: FileRecord | None = None
    bits_per_tensor: dict[str, int] | None = None
    bits_per_pixel: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    key_interval: int | None = None
    ranges_per: Literal["channel", "tensor"] | None = None
    codec_per_tensor: dict[str, str] | None = None
    stage_ms: dict[str, float] | None = None
    slowest_stage: str | None = None
    share_of_slowest: float | None = None
    runtime: str = "openvino"
    tail_runtime: str | None = None
    tail_device: str | None = None
    whole: AgainstWholeRecord | None = None
    labels: FileRecord | None = None
    predictions: FileRecord | None = None
    outputs: list[OutputRecord] = msgspec.field(default_factory=list)

    def tables(self) -> "Sequence[RenderableType]":
        """Bytes, times and scores."""
        rows = [
            ["images", str(self.images)],
            ["images per second", short(self.images_per_second, 1)],
            *_stage_rows(self),
            *([["runtime", self.runtime]] if self.runtime != "openvino" else []),
            ["precision (asked for)", f"{self.precision_actual} ({self.precision_requested})"],
            *_link_rows(self),
        ]
        if self.image_file_bytes_per_frame is not None:
            rows.append(["bytes per frame, image files", f"{self.image_file_bytes_per_frame:,.0f}"])
        rows.append(["bytes per frame, raw pixels", f"{self.raw_image_bytes_per_frame:,.0f}"])
        rows += [[f"Mbit/s at {fps} FPS", short(rate, 2)] for fps, rate in self.mbps.items()]
        rows += _score_rows(self.scores) if self.scores else []
        rows += _whole_rows(self.whole) if self.whole else []
        bits = "mixed" if self.bits is None else self.bits
        how = f"cut at {self.cut}, {bits} bits" if self.cut else "whole"
        table = make_table(f"{self.source.path}, {how}", ["", "value"], rows)
        compared = [_output_table(self.outputs)] if self.outputs else []
        if self.folder is None:
            return [table, *compared]
        written = "masks/, overlays/, predictions.csv and report.json"
        if compared:
            written = "report.json"
        return [table, *compared, f"wrote {written} to {self.folder}"]


def _output_table(outputs: "Sequence[OutputRecord]") -> "Table":
    rows = [
        [
            output.name,
            "x".join(map(str, output.shape)),
            short(output.largest_difference),
            short(output.mean_difference),
            f"{output.cosine:.6f}",
            f"{output.same_largest:.1%}",
        ]
        for output in outputs
    ]
    columns = ["output", "shape", "largest\ndifference", "mean\ndifference", "cosine"]
    return make_table("split against whole", [*columns, "same\nlargest"], rows)


def _stage_rows(report: InferReport) -> list[list[str]]:
    """Which stage holds up the others, and how close the whole comes to its rate."""
    if report.share_of_slowest is None:
        return []
    return [
        [
            f"  share of the slowest stage's rate ({report.slowest_stage})",
            short(report.share_of_slowest, 2),
        ]
    ]


def _score_rows(scores: ScoreRecord) -> list[list[str]]:
    return [
        ["Dice over defective pairs", _with_interval(scores)],
        *([f"  class {n}", short(v, 4)] for n, v in scores.dice_per_class.items()),
        ["Dice over all pixels of a class", short(scores.pooled_dice, 4)],
        ["Kaggle metric", short(scores.kaggle, 4)],
        ["  its floor (nothing predicted)", short(scores.floor, 4)],
    ]


def _whole_rows(whole: AgainstWholeRecord) -> list[list[str]]:
    ends = whole.dice_loss_interval
    interval = "" if ends is None else f" ({ends[0]:.4f} to {ends[1]:.4f})"
    loss = [["Dice lost against the whole network", short(whole.dice_loss, 4) + interval]]
    return [
        *(loss if whole.dice_loss is not None else []),
        ["pixels that the whole network marks otherwise", f"{whole.other_pixels:.3%}"],
        ["largest difference of a probability", short(whole.largest_difference)],
    ]


def _link_rows(report: InferReport) -> list[list[str]]:
    """What the link did; bits by tensor only where they differ."""
    if report.payload_bytes_per_frame is None:
        return []
    mixed = report.bits_per_tensor if report.bits is None and report.bits_per_tensor else {}
    interval = report.key_interval or 1
    per = ", per tensor" if report.ranges_per == "tensor" else ""
    return [
        ["codec (ranges)", f"{report.codec} ({report.ranges}{per})"],
        *([["frames that stand alone", f"1 of {interval}"]] if interval > 1 else []),
        *([f"codec of {name}", codec] for name, codec in (report.codec_per_tensor or {}).items()),
        *([f"bits of {name}", str(bits)] for name, bits in mixed.items()),
        ["bytes per frame, crossing tensors", f"{report.payload_bytes_per_frame:,.0f}"],
        ["bits per element, all bytes counted", short(report.bits_per_element)],
        ["bits per pixel of the image", short(report.bits_per_pixel)],
        ["encoding, ms per frame", short(report.encode_ms, 1)],
        ["decoding, ms per frame", short(report.decode_ms, 1)],
    ]


def _with_interval(scores: ScoreRecord) -> str:
    if scores.dice_interval is None:
        return short(scores.dice, 4)
    low, high = scores.dice_interval
    images = scores.dice_interval_images
    number = "" if images is None else f", {images} images"
    return f"{short(scores.dice, 4)} ({low:.2f}-{high:.2f}{number})"
