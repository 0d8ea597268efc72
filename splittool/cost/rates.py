"""Compute rate of each side in floating-point operations per second, given or measured."""

from collections.abc import Mapping
from pathlib import Path

from splittool.cost.operations import OperationCost, operation_costs
from splittool.errors import InputError
from splittool.files import sha256
from splittool.graph.graph import Graph, read_graph
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.quantities import Compute
from splittool.reports import (
    BenchReport,
    BenchSetReport,
    FileRecord,
    HeadRateRecord,
    RateRecord,
    file_record,
    read_report,
)


def read_rate(compute: Compute, source: FileRecord, graph: Graph) -> RateRecord:
    """The rate of a side, as given or from a report of `bench-vpu`.

    A report of one model gives its frames per second times the GFLOPs of what was measured, by
    this package's counting: every operation runs at the mean rate of that network. A report of
    several heads of the planned model gives the time of each; see `operation_seconds`.

    Args:
        compute: The rate, or the report's file.
        source: The file of the model to plan for, which may be the measured one.
        graph: Its graph.

    Raises:
        InputError: The report is of another kind, says 0 FPS, or its model is gone or changed.
    """
    if compute.gflops_per_second is not None:
        return RateRecord(given=compute.given, gflops_per_second=compute.gflops_per_second)
    path = Path(compute.given)
    report = read_report(path, BenchReport, BenchSetReport)
    runs = report.runs if isinstance(report, BenchSetReport) else [report]
    heads = _heads(path, runs, source, graph) if len(runs) > 1 else []
    if heads:
        gflops, fps = heads[-1].gflops, heads[-1].fps
    else:
        gflops, fps = _benched_gflops(path, runs[0], source, graph), runs[0].fps
    _require_rate(path, gflops, fps)
    return RateRecord(
        given=compute.given,
        gflops_per_second=fps * gflops,
        report=file_record(path),
        device=runs[0].device_name,
        fps=fps,
        model_gflops=gflops,
        heads=heads,
    )


def operation_seconds(
    rate: RateRecord, graph: Graph, costs: Mapping[int, OperationCost]
) -> dict[int, float]:
    """Seconds that each operation takes on one side, by its index.

    An operation takes its FLOPs divided by the rate. Where heads were measured, the time between
    one head and the next larger one is shared, by FLOPs, among the operations that the larger one
    adds; so the operations of a measured head add up to its measured time. A head that was measured
    to be faster than a smaller one counts as equally fast.

    Args:
        rate: The side's rate, from `read_rate`.
        graph: The graph of the planned model.
        costs: The `operation_costs` of that graph.
    """
    seconds = {i: (cost.flops or 0) / 1e9 / rate.gflops_per_second for i, cost in costs.items()}
    done: frozenset[int] = frozenset()
    before = 0.0
    for head in rate.heads:
        part = _operations(graph, head.point, costs) - done
        flops = sum(costs[i].flops or 0 for i in part)
        more = max(1 / head.fps - before, 0.0)
        for i in part:
            seconds[i] = more * ((costs[i].flops or 0) / flops if flops else 1 / len(part))
        done |= part
        before += more
    return seconds


def _heads(
    path: Path, runs: list[BenchReport], source: FileRecord, graph: Graph
) -> list[HeadRateRecord]:
    """Measured heads of the planned model, the smallest first."""
    costs = operation_costs(graph)
    found = {}
    for run in runs:
        if run.source.sha256 == source.sha256:
            flops = sum(costs[i].flops or 0 for i in _operations(graph, run.point, costs))
            _require_rate(path, flops / 1e9, run.fps)
            found[run.point] = HeadRateRecord(run.point, flops / 1e9, run.fps)
    if not found:
        raise InputError(
            f"{path} has no run of {source.path}; measure its heads with:"
            f" splittool bench-vpu {source.path} --splits"
        )
    return sorted(found.values(), key=lambda head: head.gflops)


def _operations(
    graph: Graph, point: str | None, costs: Mapping[int, OperationCost]
) -> frozenset[int]:
    return frozenset(costs if point is None else find_cut(graph, point).head)


def _require_rate(path: Path, gflops: float, fps: float) -> None:
    if not 0 < fps * gflops < float("inf"):
        raise InputError(
            f"{path}: {fps:g} FPS of a network of {gflops:g} GFLOPs give no compute rate;"
            " measure again with bench-vpu"
        )


def _benched_gflops(path: Path, report: BenchReport, source: FileRecord, graph: Graph) -> float:
    """GFLOPs of a frame of what was measured: a model, or the head of one of its split points."""
    if report.source.sha256 != source.sha256:
        graph = read_graph(load_model(_benched_model(path, report.source)))
    costs = operation_costs(graph)
    part = costs if report.point is None else find_cut(graph, report.point).head
    return sum(costs[index].flops or 0 for index in part) / 1e9


def _benched_model(path: Path, record: FileRecord) -> Path:
    """The measured model: as its path is written, or seen from the report's folder."""
    for model in (Path(record.path), path.parent / record.path):
        if model.is_file():
            if sha256(model) != record.sha256:
                raise InputError(f"{model} has changed since {path} was measured; measure it again")
            return model
    raise InputError(
        f"{path} is of {record.path}, which is not here, so its GFLOPs are unknown;"
        " bring the model back, or give the rate in GFLOPS"
    )
