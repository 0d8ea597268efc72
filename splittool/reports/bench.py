"""Frames per second on a device, measured or estimated."""

from typing import Annotated, Literal

import msgspec

from splittool.reports.base import FileRecord, Report


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
    temperatures: list[TemperatureRecord] = msgspec.field(default_factory=list)
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
