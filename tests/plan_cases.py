"""What tests of plans share: a benchmark, and plans of small graphs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from splittool.cost.deployment import Deployment
from splittool.cost.measurements import Measured
from splittool.cost.plans import Goal, choose
from splittool.graph.graph import Graph
from splittool.quantities import Link
from splittool.reports import (
    ArmRecord,
    BenchReport,
    BenchSetReport,
    CompareReport,
    FileRecord,
    InferReport,
    LimitsRecord,
    PlanReport,
    PlanRow,
    RateRecord,
    Report,
    ScoreRecord,
    encode,
)

SOURCE = FileRecord("x.xml", 1, "0")
BENCH = BenchReport(
    source=SOURCE,
    device_requested="CPU",
    device_used=["CPU"],
    device_name="a processor",
    vpu_present=False,
    precision_requested="auto",
    precision_actual="f32",
    hint="latency",
    requests_in_flight=1,
    streams=1,
    warmup_s=0,
    seconds=10,
    frames=100,
    fps=10,
    mean_ms=100,
    p50_ms=100,
    p90_ms=100,
    p99_ms=100,
    max_ms=100,
    window_s=1,
    windows=[],
    interrupted=False,
)
INFER = InferReport(
    source=SOURCE,
    cut=None,
    bits=None,
    folder="out",
    device="CPU",
    precision_requested="auto",
    precision_actual="f32",
    threshold=0.5,
    images=1,
    seconds=1,
    images_per_second=1,
    payload_bytes_per_frame=None,
    bits_per_element=None,
    image_file_bytes_per_frame=100_000,
    raw_image_bytes_per_frame=1_228_800,
    mbps={},
    scores=ScoreRecord(0.9, 0.8, 0.75, 0.7, {}, 4, 2),
    rows=[],
)


def bench_set(*runs: BenchReport) -> BenchSetReport:
    """A report of `bench-vpu` on several models."""
    return BenchSetReport(
        rounds=1,
        interleaved=False,
        runs=list(runs),
        fps=[[run.fps] for run in runs],
        references=[],
        interrupted=False,
    )


def written(path: Path, report: Report) -> str:
    """The name of a file with the report."""
    path.write_bytes(encode(report))
    return str(path)


def compared(*arms: ArmRecord) -> CompareReport:
    """A report of `compare`."""
    return CompareReport(
        source=SOURCE,
        device="CPU",
        precision_requested="auto",
        precision_actual="f32",
        threshold=0.5,
        images=1,
        defective_pairs=1,
        floor=0.5,
        arms=list(arms),
    )


def terms(edge: float, cloud: float, mbps: float, **others: Any) -> Deployment:
    link, given = Link("link", mbps), {"bits": 8, **others}
    return Deployment(RateRecord("", edge), RateRecord("", cloud), link, **given)


def planned(
    graph: Graph,
    given: Deployment,
    objective: Any = "latency",
    measured: Measured | None = None,
    points: list[str] | None = None,
    **limits: float,
) -> PlanReport:
    goal = Goal(objective, LimitsRecord(**limits))
    return choose(SOURCE, graph, points or [], given, goal, measured)


def row(report: PlanReport, point: str) -> PlanRow:
    (found,) = [row for row in report.rows if row.point == point]
    return found


def untimed(arms: Iterable[ArmRecord]) -> list[ArmRecord]:
    """Ways that were compared, without their times, of which no two are equal."""
    return [replace(arm, encode_ms=None, decode_ms=None) for arm in arms]
