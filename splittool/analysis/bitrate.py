"""Bits on the link: Mbit/s = elements x bits x frames per second / 10^6, as in Tables I and II."""

from collections.abc import Mapping, Sequence

from splittool.reports import BitrateRow, SplitRecord, TensorRecord

INPUT_FILES = "input files"


def payload_bytes(tensors: Sequence[TensorRecord], bits: int) -> float:
    """Bytes of one frame without compression.

    A tensor that the graph holds in fewer bits, such as an 8-bit image, is sent as it is.

    Args:
        tensors: All that cross.
        bits: Bits per element.
    """
    return sum(tensor.elements * min(bits, tensor.bits) for tensor in tensors) / 8


def split_row(
    split: SplitRecord, bits: int, fps: Sequence[float], links: Mapping[str, float]
) -> BitrateRow:
    """Price one split point at one precision."""
    size = payload_bytes(split.tensors, bits)
    shown = max(min(bits, tensor.bits) for tensor in split.tensors)
    return _row(split.point, shown, split.elements, size, fps, links)


def input_files_row(
    mean_bytes: float, fps: Sequence[float], links: Mapping[str, float]
) -> BitrateRow:
    """Price sending the image files as they are."""
    return _row(INPUT_FILES, None, None, mean_bytes, fps, links)


def mbps(bytes_per_frame: float, fps: float) -> float:
    """Mbit/s of a stream of frames."""
    return bytes_per_frame * 8 * fps / 1e6


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
