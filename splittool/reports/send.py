"""The report of `splittool send`."""

from typing import TYPE_CHECKING

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class SendReport(Report, tag="splittool.send/1", kw_only=True):
    """What became of the frames that an edge sent.

    Attributes:
        source: The cut.json.
        cut: The split point.
        server: Where frames went.
        folder: Where results are.
        frames: Results there are, those of earlier runs included.
        resumed_at: How many of them earlier runs made.
        by: Frames by what became of them: server, edge, dropped.
        retries: How often a frame was sent again, in all runs.
        late: Frames whose masks came after the deadline, in all runs.
        seconds: Of this run.
        frames_per_second: Of this run.
        latency_ms: From a picture's arrival to its masks: p50, p90, p99, max; of this run.
        round_trip_ms: Of calls that were answered; of this run.
        frame_bytes: Bytes of all frames that were answered.
        answer_bytes: Bytes of all answers.
        frames_by_bits: Frames that were answered, by bits of an element.
        stage_ms: Mean busy time of each stage; of this run.
        slowest_stage: The one that holds up the others.
        share_of_slowest: Frames a second against that stage's rate.
    """

    frames: int
    resumed_at: int
    by: dict[str, int]
    retries: int
    late: int
    seconds: float
    frames_per_second: float
    latency_ms: dict[str, float]
    round_trip_ms: dict[str, float]
    frame_bytes: int
    answer_bytes: int
    frames_by_bits: dict[str, int]
    source: FileRecord | None = None
    cut: str | None = None
    server: str | None = None
    folder: str | None = None
    stage_ms: dict[str, float] | None = None
    slowest_stage: str | None = None
    share_of_slowest: float | None = None

    def tables(self) -> "Sequence[RenderableType]":
        """Frames, times and bytes."""
        answered = self.by.get("server", 0)
        rows = [
            ["frames", str(self.frames)],
            *([["  of earlier runs", str(self.resumed_at)]] if self.resumed_at else []),
            *([f"  {how}", str(count)] for how, count in sorted(self.by.items())),
            ["sent again", str(self.retries)],
            ["late", str(self.late)],
            ["frames per second", short(self.frames_per_second, 1)],
            *([f"latency, {name}, ms", short(v, 1)] for name, v in self.latency_ms.items()),
            *([f"round trip, {name}, ms", short(v, 1)] for name, v in self.round_trip_ms.items()),
        ]
        if answered:
            rows.append(["bytes per frame", f"{self.frame_bytes / answered:,.0f}"])
            rows.append(["bytes per answer", f"{self.answer_bytes / answered:,.0f}"])
        rows += [[f"frames of {bits} bits", str(n)] for bits, n in self.frames_by_bits.items()]
        if self.share_of_slowest is not None:
            stage = f"share of the slowest stage's rate ({self.slowest_stage})"
            rows.append([stage, short(self.share_of_slowest, 2)])
        title = f"cut at {self.cut}, sent to {self.server}"
        table = make_table(title, ["", "value"], rows)
        return [table, f"wrote results.jsonl, masks/ and predictions.csv to {self.folder}"]
