"""The figures of the paper that some reports have the data for, drawn as `plot` draws them."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from splittool.figures import comparison, costs, curves, networks
from splittool.figures.material import read_history
from splittool.figures.style import svg
from splittool.page.sources import Source
from splittool.reports import (
    BenchReport,
    BenchSetReport,
    CompareReport,
    ProfileReport,
    SplitRecord,
    SplitsReport,
    TrainReport,
)
from splittool.tables import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Listing = SplitsReport | ProfileReport


@dataclass(frozen=True)
class Drawing:
    """A figure on the page.

    Attributes:
        caption: What it shows, of how many of what, and from which report.
        address: The SVG as an address that an image can have.
    """

    caption: str
    address: str


def drawings(sources: Sequence[Source], bits: int, fps: float) -> list[Drawing]:
    """Every figure that the reports have the data for.

    Args:
        sources: The reports.
        bits: Bits of an element, for sizes.
        fps: Frames per second, for bitrates.

    Raises:
        InputError: The history of a training run is gone.
        MissingExtraError: matplotlib is not installed.
    """
    return [_drawing(figure, caption) for figure, caption in _figures(sources, bits, fps)]


def address(kind: str, data: bytes) -> str:
    """Bytes of some kind, such as image/png, as an address that an image can have."""
    return f"data:{kind};base64,{b64encode(data).decode()}"


def _drawing(figure: "Figure", caption: str) -> Drawing:
    return Drawing(printable(caption), address("image/svg+xml", svg(figure)))


def _figures(sources: Sequence[Source], bits: int, fps: float) -> Iterator[tuple["Figure", str]]:
    listings = _listings(sources)
    if listings:
        shortest = {name: min(found, key=len) for name, found in listings.items()}
        caption = (
            f"Bitrate and weighted layers on the device at {bits} bits and {fps:g} FPS, by split"
            f" point: {', '.join(f'{len(s)} of {name}' for name, s in shortest.items())}"
            " (the paper's Fig. 2)."
        )
        yield networks.layers(shortest, bits, fps), caption
    yield from _histories(sources)
    for name, found in listings.items():
        splits = max(found, key=len)
        rates = _rates(sources, splits)
        yield costs.cost(splits), _caption("Work and memory of the head", name, splits, "5(a)")
        what = "Size sent" + (", and measured FPS of the head" if rates else "")
        yield costs.output(splits, rates), _caption(what, name, splits, "5(b)")
        caption = f"Bits per frame at {bits} bits against GFLOPs on the device, {name}."
        yield networks.tradeoff({name: splits}, bits), caption
    for source in sources:
        report = source.report
        if isinstance(report, CompareReport):
            yield comparison.comparison(report.arms), _compared(source.shown, report)
        elif isinstance(report, BenchReport):
            caption = f"FPS and latency over {report.seconds:.3g} s, {report.frames} frames."
            yield curves.over_time({report.name: report}), caption


def _listings(sources: Sequence[Source]) -> dict[str, list[Sequence[SplitRecord]]]:
    """Lists of split points by network: a short one and a long one may be of the same."""
    names: dict[str, str] = {}
    found: dict[str, list[Sequence[SplitRecord]]] = {}
    for source in sources:
        if isinstance(source.report, Listing):
            file = source.report.source
            name = names.setdefault(file.sha256, source.label or Path(file.path).name)
            found.setdefault(name, []).append(source.report.splits)
    return found


def _histories(sources: Sequence[Source]) -> Iterator[tuple["Figure", str]]:
    for source in sources:
        report = source.report
        if isinstance(report, TrainReport):
            caption = (
                f"Loss and Dice over {report.epochs} epochs of {report.model.path}:"
                f" {report.training_images} images to learn from, {report.validation_images} held"
                " out (the paper's Figs. 3 and 4)."
            )
            yield curves.training_curves(read_history(Path(report.history))), caption


def _rates(sources: Sequence[Source], splits: Sequence[SplitRecord]) -> dict[str, float]:
    """Measured FPS of the heads of a network, from `bench-vpu --splits`."""
    points = {split.point for split in splits}
    sets = [source.report for source in sources if isinstance(source.report, BenchSetReport)]
    runs = [run for found in sets for run in found.runs]
    return {run.point: run.fps for run in runs if run.point in points}


def _caption(what: str, name: str, splits: Sequence[SplitRecord], number: str) -> str:
    return f"{what} of {name} at {len(splits)} places (the paper's Fig. {number})."


def _compared(shown: str, report: CompareReport) -> str:
    return (
        f"Dice against bytes per frame, n = {report.images} images with {report.defective_pairs}"
        f" defective pairs, from {shown}."
    )
