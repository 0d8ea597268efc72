"""Frames per second on a device, measured or estimated."""

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.reports.energy import PowerRecord, millijoules
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.table import Table


class WindowRecord(msgspec.Struct, frozen=True):
    """A window of a benchmark; latencies in milliseconds."""

    start_s: float
    seconds: float
    frames: int
    fps: float
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class TemperatureRecord(msgspec.Struct, frozen=True):
    """The hottest sensor at one moment of a run."""

    time_s: float
    sensor: str
    celsius: float


class BenchReport(Report, tag="splittool.bench-vpu/1"):
    """Frames per second of a model on a device; `interrupted` marks a partial run.

    `point` is the split point whose head was measured, where that is known. `drift` is the FPS of
    the last `drift_stretch_s` over that of the first, less one. `throttled` counts how often the
    processor was slowed down because it was hot. `power` is null where no sensor says it.
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
    temperatures: list[TemperatureRecord] = msgspec.field(default_factory=list)
    throttled: int | None = None
    resident_first_bytes: int | None = None
    resident_last_bytes: int | None = None
    power: PowerRecord | None = None

    @property
    def name(self) -> str:
        """The split point whose head was measured, or the file."""
        return self.point or self.source.path

    def tables(self) -> "Sequence[RenderableType]":
        """A row for each window and one for the whole run, then the conditions."""
        rows = [
            _row(f"{window.start_s:.0f}", window.frames, window.fps, _latencies(window))
            for window in self.windows
        ]
        rows.append(_row("all", self.frames, self.fps, _latencies(self)))
        columns = ["second", "frames", "FPS", "p50 ms", "p90 ms", "p99 ms", "max ms"]
        used = f"{', '.join(self.device_used)}: {self.device_name}"
        title = f"{self.source.path} on {used}"
        return [make_table(title, columns, rows), self.conditions()]

    def conditions(self) -> str:
        """How it was measured, and what happened meanwhile."""
        lines = [
            f"precision {self.precision_actual} (asked for {self.precision_requested}),"
            f" {self.requests_in_flight} requests in flight, {self.hint} hint, {self.runtime}"
        ]
        if self.drift is not None:
            lines.append(
                f"drift {self.drift:+.1%}: the last {self.drift_stretch_s:.3g} s against the first"
            )
        if self.temperatures:
            first, last = self.temperatures[0], self.temperatures[-1]
            lines.append(
                f"{last.sensor}: {first.celsius:.0f} to {last.celsius:.0f} degrees Celsius"
            )
        if self.power is not None:
            lines.append(self.power.shown())
        if self.throttled:
            lines.append(f"the processor was slowed down for its heat {self.throttled} times")
        return "\n".join(lines) + ("; interrupted" if self.interrupted else "")


def _energy(run: BenchReport) -> str:
    return "" if run.power is None else millijoules(run.power.joules_per_frame)


def _latencies(part: WindowRecord | BenchReport) -> tuple[float | None, ...]:
    return part.p50_ms, part.p90_ms, part.p99_ms, part.max_ms


def _row(name: str, frames: int, fps: float, latencies: "Sequence[float | None]") -> list[str]:
    return [name, str(frames), f"{fps:.1f}", *(short(ms, 2) for ms in latencies)]


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

    def row(self) -> list[str]:
        """Mean FPS of both, the median ratio, and the ratio of every round."""
        return [
            self.model,
            f"{sum(self.our_fps) / len(self.our_fps):.1f}",
            f"{sum(self.fps) / len(self.fps):.1f}",
            f"{self.median_ratio:.3f}",
            " ".join(f"{ratio:.2f}" for ratio in self.ratios),
        ]


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

    def tables(self) -> "Sequence[RenderableType]":
        """A row for each model, the comparison with another tool, then the conditions."""
        first = self.runs[0]
        rows = [
            [
                run.name,
                str(run.frames),
                f"{run.fps:.1f}",
                f"{run.fps / first.fps:.2f}",
                *(short(ms, 2) for ms in (run.p50_ms, run.p99_ms)),
                "" if run.drift is None else f"{run.drift:+.1%}",
                *([] if first.power is None else [_energy(run)]),
            ]
            for run in self.runs
        ]
        columns = ["model or head at", "frames", "FPS", "ratio", "p50 ms", "p99 ms", "drift"]
        columns += [] if first.power is None else ["energy"]
        how = f"{self.rounds} interleaved rounds" if self.interleaved else "one after the other"
        title = f"{', '.join(first.device_used)}: {first.device_name}, {how}"
        return [make_table(title, columns, rows), *self._beside(), first.conditions()]

    def _beside(self) -> "list[Table]":
        if not self.references:
            return []
        tool = self.references[0].tool
        columns = ["model", "FPS here", tool, "median ratio", "by round"]
        rows = [record.row() for record in self.references]
        return [make_table(f"side by side with {tool}", columns, rows)]


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

    def tables(self) -> "Sequence[RenderableType]":
        """A row for each model, then the assumptions and their sources."""
        rows = [
            [
                record.model,
                f"{record.fps:.1f}",
                *(short(ms, 1) for ms in (record.latency_ms, record.engine_ms)),
                *(short(ms, 1) for ms in (record.shaves_ms, record.link_ms)),
                f"{record.ddr_bytes / 1e6:.1f}",
            ]
            for record in self.estimates
        ]
        columns = ["model or head at", "FPS", "ms", "engine", "SHAVEs", "USB", "DDR MB"]
        title = f"ESTIMATE for {self.chip}, not measured: FPS at most, ms at least"
        first = self.estimates[0]
        basis = f"from {first.basis}, {first.shaves} SHAVEs; use it to rank cuts"
        sources = [f"from {a.what}: {a.value:g}; {a.source}" for a in self.assumptions]
        return [make_table(title, columns, rows), basis, *sources]
