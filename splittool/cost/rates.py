"""Compute rate of each side in floating-point operations per second, given or measured."""

from collections.abc import Mapping
from pathlib import Path

from splittool.cost.benched import Benched, measured_heads, read_benched
from splittool.cost.operations import OperationCost
from splittool.cost.shares import shared
from splittool.graph.graph import Graph
from splittool.quantities import Compute
from splittool.reports import FileRecord, HeadRateRecord, RateRecord, file_record


def read_rate(
    compute: Compute, source: FileRecord, graph: Graph, trust: bool = False
) -> RateRecord:
    """The rate of a side, as given or from a report of `bench-vpu`.

    A report of one whole network gives its frames per second times its GFLOPs, by this package's
    counting: every operation runs at the mean rate of that network. A report of heads of the
    planned network, or of one head, gives what each takes; see `operation_periods` and
    `operation_latencies`.

    Args:
        compute: The rate, or the report's file.
        source: The file of the model to plan for, which may be the measured one.
        graph: Its graph.
        trust: Whether the measured model may be a program that can run code.

    Raises:
        InputError: The report is of another kind, says 0 FPS, or its model is gone or changed.
    """
    if compute.gflops_per_second is not None:
        return RateRecord(given=compute.given, gflops_per_second=compute.gflops_per_second)
    path = Path(compute.given)
    found = read_benched(path, source, graph, trust)
    largest = found[-1]
    return RateRecord(
        given=compute.given,
        gflops_per_second=largest.run.fps * largest.gflops,
        report=file_record(path),
        device=largest.run.device_name,
        fps=largest.run.fps,
        model_gflops=largest.gflops,
        heads=[_head(benched) for benched in measured_heads(found)],
        latency_ms=largest.run.p50_ms,
        requests_in_flight=largest.run.requests_in_flight,
    )


def _head(benched: Benched) -> HeadRateRecord:
    return HeadRateRecord(benched.point, benched.gflops, benched.run.fps, benched.run.p50_ms)


def operation_periods(
    rate: RateRecord, graph: Graph, costs: Mapping[int, OperationCost]
) -> dict[int, float]:
    """Seconds of a side's time that each operation takes of a stream of frames, by its index.

    They are FLOPs divided by the rate, or shares of 1 / FPS of the measured heads; see `shared`.

    Args:
        rate: The side's rate, from `read_rate`.
        graph: The graph of the planned model.
        costs: The `operation_costs` of that graph.
    """
    heads = [(head.point, 1 / head.fps) for head in rate.heads]
    return shared(graph, costs, 1 / rate.gflops_per_second, heads)


def operation_latencies(
    rate: RateRecord, graph: Graph, costs: Mapping[int, OperationCost]
) -> dict[int, float]:
    """Seconds that a frame waits for each operation, by its index.

    With several requests in flight a frame takes longer than 1 / FPS, so a benchmark's median
    latency is shared where it says one; else this is `operation_periods`.
    """
    if rate.latency_ms is None or not rate.model_gflops:
        return operation_periods(rate, graph, costs)
    per_gflop = rate.latency_ms / 1e3 / rate.model_gflops
    heads = [
        (head.point, 1 / head.fps if head.latency_ms is None else head.latency_ms / 1e3)
        for head in rate.heads
    ]
    return shared(graph, costs, per_gflop, heads)
