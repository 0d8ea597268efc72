"""Bits on the link: Mbit/s = elements x bits x frames per second / 10^6, as in Tables I and II."""

from collections.abc import Mapping, Sequence

from splittool.graph.graph import TensorInfo
from splittool.reports import BitrateRow, SplitRecord, TensorRecord

INPUT_FILES = "input files"
DEFAULT_LINKS = ("indoor-hotspot-up", "indoor-hotspot-down")

_QUANTISED = ("f16", "bf16", "f32", "f64")


def payload_bytes(tensors: Sequence[TensorRecord], bits: int) -> float:
    """Bytes of one frame without compression.

    Args:
        tensors: All that cross.
        bits: Bits per element.
    """
    return sum(tensor.elements * sent_bits(tensor, bits) for tensor in tensors) / 8


def sent_bits(tensor: TensorRecord | TensorInfo, bits: int) -> int:
    """Bits per element on the link: whole numbers, such as an image's pixels, go as they are."""
    return bits if tensor.type in _QUANTISED else tensor.bits


def split_row(
    split: SplitRecord, bits: int, fps: Sequence[float], links: Mapping[str, float]
) -> BitrateRow:
    """Price one split point at one precision."""
    size = payload_bytes(split.tensors, bits)
    shown = max(sent_bits(tensor, bits) for tensor in split.tensors)
    return _row(split.point, shown, split.elements, size, fps, links)


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

    Sending the input is the alternative to a cut, not a cut; it is not held against the limit.
    """
    return [
        f"{row.point} at {row.bits} bits and {fps} FPS ({value:.2f})"
        for row in rows
        for fps, value in row.mbps.items()
        if value > max_mbps and row.point not in ("input", INPUT_FILES)
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
