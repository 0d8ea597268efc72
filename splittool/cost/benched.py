"""Benchmarks of `bench-vpu`: which heads of a planned network they measured, and its GFLOPs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from splittool.cost.operations import operation_costs
from splittool.cost.shares import head_operations
from splittool.errors import InputError
from splittool.files import sha256
from splittool.graph.graph import Graph, read_graph
from splittool.graph.reading import load_model
from splittool.reports import BenchReport, BenchSetReport, CutReport, FileRecord, read_report


@dataclass(frozen=True)
class Benched:
    """One measured network or head.

    Attributes:
        run: What was measured.
        gflops: GFLOPs of a frame, by this package's counting.
        planned: Whether it is the planned network, or a head of it.
        point: The split point of the planned network that the head ends at; None for the whole.
    """

    run: BenchReport
    gflops: float
    planned: bool = False
    point: str | None = None


def read_benched(
    path: Path, source: FileRecord, graph: Graph, trust: bool = False
) -> list[Benched]:
    """Read a report of `bench-vpu`.

    Args:
        path: The report, of one model or of several.
        source: The file of the network to plan for.
        graph: Its graph.
        trust: Whether another network that was measured may be a program that can run code.

    Returns:
        The measured heads of the planned network, the smallest first, the network itself among
        them; or the one run, of another network.

    Raises:
        InputError: The report is of another kind or of several other networks, says 0 FPS, or its
            model is gone or changed.
    """
    report = read_report(path, BenchReport, BenchSetReport)
    runs = report.runs if isinstance(report, BenchSetReport) else [report]
    found = list(_planned(path, runs, source, graph))
    if not found and len(runs) > 1:
        raise InputError(
            f"{path} has no run of {source.path}; measure its heads with:"
            f" splittool bench-vpu {source.path} --splits"
        )
    if not found:
        found = [Benched(runs[0], _gflops_of_another(path, runs[0], trust))]
    for benched in found:
        if not 0 < benched.run.fps * benched.gflops < float("inf"):
            raise InputError(
                f"{path}: {benched.run.fps:g} FPS of a network of {benched.gflops:g} GFLOPs give no"
                " compute rate; measure again with bench-vpu"
            )
    return found


def measured_heads(found: Sequence[Benched]) -> list[Benched]:
    """Those whose operations take what was measured; none where all have one mean rate."""
    only_whole = len(found) == 1 and found[0].point is None
    return [] if only_whole else list(found)


def _planned(
    path: Path, runs: Sequence[BenchReport], source: FileRecord, graph: Graph
) -> Iterator[Benched]:
    costs = operation_costs(graph)
    found = {}
    for run in runs:
        if run.source.sha256 == source.sha256:
            point = run.point
        else:
            point = _point_of_head(path, run, source)
            if point is None:
                continue
        flops = sum(costs[i].flops or 0 for i in head_operations(graph, point, costs))
        found[point] = Benched(run, flops / 1e9, True, point)
    yield from sorted(found.values(), key=lambda benched: benched.gflops)


def _point_of_head(path: Path, run: BenchReport, source: FileRecord) -> str | None:
    """The split point of a head's file, as the cut.json beside it says; None if none does."""
    for model in _places(path, run.source):
        try:
            cut = read_report(model.parent / "cut.json", CutReport)
        except InputError:  # no cut.json is beside it, or another tool's
            continue
        of_head = run.source.sha256 in (record.sha256 for record in cut.head)
        if of_head and cut.source.sha256 == source.sha256:
            return cut.split.point
    return None


def _gflops_of_another(path: Path, run: BenchReport, trust: bool) -> float:
    """GFLOPs of a frame of what was measured: a model, or the head of one of its split points."""
    graph = read_graph(load_model(_benched_model(path, run.source), trust=trust))
    costs = operation_costs(graph)
    return sum(costs[i].flops or 0 for i in head_operations(graph, run.point, costs)) / 1e9


def _benched_model(path: Path, record: FileRecord) -> Path:
    for model in _places(path, record):
        if model.is_file():
            if sha256(model) != record.sha256:
                raise InputError(f"{model} has changed since {path} was measured; measure it again")
            return model
    raise InputError(
        f"{path} is of {record.path}, which is not here, so its GFLOPs are unknown;"
        " bring the model back, or give the rate in GFLOPS"
    )


def _places(path: Path, record: FileRecord) -> tuple[Path, Path]:
    """Where the measured model may be: as its path is written, or seen from the report's folder."""
    return Path(record.path), path.parent / record.path
