"""What was measured of accuracy: Dice with its interval, bytes and work on the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splittool.page.sources import Source
from splittool.reports import ArmRecord, CompareReport, InferReport


@dataclass(frozen=True)
class Point:
    """One way to get masks, scored.

    Attributes:
        series: Ways of one series differ in their rate.
        name: What it is called alone.
        payload_bytes: Mean bytes of a frame; 0 where nothing is sent.
        dice: Dice over defective pairs.
        interval: Its 95 % confidence interval; None where there are too few images.
        gflops: GFLOPs on the device; None where the report does not say.
        loss_interval: That of the loss from the whole network, of pairs.
    """

    series: str
    name: str
    payload_bytes: float
    dice: float
    interval: tuple[float, float] | None
    gflops: float | None
    loss_interval: tuple[float, float] | None = None

    @property
    def ends(self) -> tuple[float, ...]:
        """The ends of the interval, or the Dice alone."""
        return self.interval or (self.dice,)

    @property
    def interval_text(self) -> str:
        """The interval in a few characters."""
        return f"{self.interval[0]:.3f} to {self.interval[1]:.3f}" if self.interval else "-"


def points_of(sources: Sequence[Source]) -> list[Point]:
    """Everything that reports of `compare` and `infer` have scored."""
    found: list[Point] = []
    for source in sources:
        if isinstance(source.report, CompareReport):
            found += _compared(source.report)
        elif isinstance(source.report, InferReport):
            found += _inferred(source.report)
    return found


def series_of(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Points by series, each in the order of its bytes."""
    found: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda point: point.payload_bytes):
        found.setdefault(point.series, []).append(point)
    return dict(sorted(found.items(), key=lambda item: item[0].startswith("input")))


def name_of(arm: ArmRecord) -> str:
    """What one way is called."""
    if arm.kind == "image":
        quality = "" if arm.quality is None else f" q{arm.quality}"
        return f"input as {arm.series}{quality}"
    if arm.kind == "cut":
        return f"{arm.series}, {'mixed bits' if arm.bits is None else f'{arm.bits} bits'}"
    if arm.kind == "answer" and arm.scale != 1:
        return f"{arm.series} at {arm.scale_name}"
    return arm.series


def _compared(report: CompareReport) -> Iterator[Point]:
    for arm in report.arms:
        if arm.dice is not None:
            yield Point(
                series=f"input as {arm.series}" if arm.kind == "image" else arm.series,
                name=name_of(arm),
                payload_bytes=arm.payload_bytes_per_frame,
                dice=arm.dice,
                interval=arm.dice_interval,
                gflops=arm.edge_gflops,
                loss_interval=None if arm.kind == "whole" else arm.dice_loss_interval,
            )


def _inferred(report: InferReport) -> Iterator[Point]:
    if report.scores is None or report.scores.dice is None:
        return
    network = Path(report.source.path).stem
    if report.cut is None:
        series = name = f"{network} whole"
    else:
        series = f"cut {report.cut}, {report.codec}"
        name = f"{series}, {'mixed' if report.bits is None else report.bits} bits (infer)"
    yield Point(
        series=series,
        name=name,
        payload_bytes=report.payload_bytes_per_frame or 0.0,
        dice=report.scores.dice,
        interval=report.scores.dice_interval,
        gflops=None,
    )
