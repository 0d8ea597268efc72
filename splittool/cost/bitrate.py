"""Bits on the link: Mbit/s = elements x bits x frames per second / 10^6, as in Tables I and II."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from splittool.codec.choices import check_bits
from splittool.cost.measurements import Sent
from splittool.errors import InputError
from splittool.graph.graph import TensorInfo
from splittool.graph.layouts import image_layout
from splittool.graph.split_points import INPUT
from splittool.quantities import LINKS, Link, require_positive
from splittool.reports import BitrateReport, BitrateRow, FileRecord, SplitRecord, TensorRecord

INPUT_FILES = "input files"
PIXEL_BITS = 8

Content = Literal["features", "image", "scaled image"]
DEFAULT_LINKS = tuple(
    Link(name, LINKS[name]) for name in ("indoor-hotspot-up", "indoor-hotspot-down")
)

_QUANTISED = ("f16", "bf16", "f32", "f64")


@dataclass(frozen=True)
class Streams:
    """The streams of frames to price.

    Attributes:
        bits: Bits per element.
        fps: Frames per second.
        links: The links that a stream may fit.
        images: Image files, to compare with their bytes.
        max_mbps: The most Mbit/s that a cut may need; None for no limit.
        frames: Measured frames of cuts, by their split points, to stand beside.
    """

    bits: Sequence[int] = (16,)
    fps: Sequence[float] = (10.0,)
    links: Sequence[Link] = DEFAULT_LINKS
    images: Sequence[Path] = ()
    max_mbps: float | None = None
    frames: Sequence[tuple[str, Sent]] = ()

    def check(self) -> None:
        """Find what is out of range, before a network is read.

        Raises:
            UsageError: Bits, a frame rate or the limit is out of range.
        """
        for bits in self.bits:
            check_bits(bits)
        for fps in self.fps:
            require_positive(fps, "`fps`")
        require_positive(self.max_mbps, "`max_mbps`")


def bitrate_report(
    source: FileRecord | None, splits: Sequence[SplitRecord], streams: Streams
) -> BitrateReport:
    """Price some split points at every precision and frame rate.

    Args:
        source: The file of the network or the cut; None for one without a file.
        splits: The split points; the input first, if it is among them.
        streams: The precisions, frame rates and links.

    Raises:
        UsageError: Bits, a frame rate or the limit is out of range.
        InputError: Frames were measured, and none at these split points and bits.
    """
    streams.check()
    links = dict(streams.links)
    rows = [
        split_row(split, precision, streams.fps, links)
        for number, precision in enumerate(streams.bits)
        for split in splits
        if split.point != INPUT or number == 0  # raw pixels cost the same at every precision
    ]
    rows = [_beside_frames(row, streams) for row in rows]
    if streams.frames and not any(row.measured_bytes for row in rows):
        points = ", ".join(dict.fromkeys(point for point, _ in streams.frames))
        raise InputError(
            f"the frames of `infer` are of {points}, at other split points or bits;"
            " give their `bits`"
        )
    if streams.images:
        mean = sum(path.stat().st_size for path in streams.images) / len(streams.images)
        rows.insert(1, input_files_row(mean, streams.fps, links))
    return BitrateReport(
        source=source,
        bits=list(streams.bits),
        fps=list(streams.fps),
        links=links,
        rows=rows,
        image_files=len(streams.images) or None,
        max_mbps=streams.max_mbps,
        over_limit=[] if streams.max_mbps is None else over_limit(rows, streams.max_mbps),
    )


def split_bytes(split: SplitRecord, bits: int) -> float:
    """Bytes of one frame without compression, with all crossing tensors.

    Args:
        split: The split point.
        bits: Bits per element of features.
    """
    return sum(tensor.elements * _split_bits(split, tensor, bits) for tensor in split.tensors) / 8


def _split_bits(split: SplitRecord, tensor: TensorRecord, bits: int) -> int:
    """Bits per element of a crossing tensor, by where it was cut."""
    if split.head_weighted_layers or not image_layout(tensor.shape):
        return sent_bits(tensor, bits)
    return sent_bits(tensor, bits, "scaled image" if split.head_operations else "image")


def sent_bits(
    tensor: TensorRecord | TensorInfo,
    bits: int,
    what: Content = "features",
) -> int:
    """Bits per element on the link.

    Real numbers of features take `bits`; whole numbers, such as pixels, are sent as they are. An
    image that a network takes as real numbers comes from a camera as bytes and is sent so, whatever
    `bits` is. What is computed from it before the first convolution or matrix product is still that
    image, scaled or shifted, and takes no fewer bits than its pixels: otherwise few bits would mean
    to send a coarser image, which is not a cut of the network and whose accuracy nobody knows.

    Args:
        tensor: The tensor.
        bits: Bits per element of features.
        what: What the tensor holds.
    """
    if tensor.type not in _QUANTISED:
        return tensor.bits
    if what == "image":
        return PIXEL_BITS
    return max(bits, PIXEL_BITS) if what == "scaled image" else bits


def split_row(
    split: SplitRecord, bits: int, fps: Sequence[float], links: Mapping[str, float]
) -> BitrateRow:
    """Price one split point at one precision."""
    size = split_bytes(split, bits)
    shown = max(_split_bits(split, tensor, bits) for tensor in split.tensors)
    return _row(split.point, shown, split.elements, size, fps, links)


def _beside_frames(row: BitrateRow, streams: Streams) -> BitrateRow:
    """The row with the smallest frame that was measured there at its bits."""
    sent = [sent for point, sent in streams.frames if (point, sent.bits) == (row.point, row.bits)]
    if not sent:
        return row
    least = min(sent, key=lambda frame: frame.payload_bytes)
    rates = {f"{fps:g}": mbps(least.payload_bytes, fps) for fps in streams.fps}
    return replace(
        row,
        measured_bytes=least.payload_bytes,
        measured_mbps=rates,
        measured_codec=least.codec,
    )


def input_files_row(
    mean_bytes: float, fps: Sequence[float], links: Mapping[str, float]
) -> BitrateRow:
    """Price sending the image files as they are."""
    return _row(INPUT_FILES, None, None, mean_bytes, fps, links)


def mbps(bytes_per_frame: float, fps: float) -> float:
    """Mbit/s of a stream of frames."""
    return bytes_per_frame * 8 * fps / 1e6


def over_limit(rows: Sequence[BitrateRow], max_mbps: float) -> list[str]:
    """The split points, with bits and frame rate, that need more than a limit.

    Sending the input is the alternative to a cut, not a cut; the limit does not apply to it.
    """
    return [
        f"{row.point} at {row.bits} bits and {fps} FPS ({value:.2f})"
        for row in rows
        for fps, value in row.mbps.items()
        if value > max_mbps and row.point not in (INPUT, INPUT_FILES)
    ]


def _row(
    point: str,
    bits: int | None,
    elements: int | None,
    size: float,
    fps: Sequence[float],
    links: Mapping[str, float],
) -> BitrateRow:
    rates = {f"{rate:g}": mbps(size, rate) for rate in fps}
    return BitrateRow(
        point=point,
        bits=bits,
        elements=elements,
        payload_bytes=size,
        mbps=rates,
        links={
            name: {rate: value <= limit for rate, value in rates.items()}
            for name, limit in links.items()
        },
    )
