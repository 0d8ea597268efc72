"""How quick each side computes: a rate of floating-point operations, given or measured."""

import re
from pathlib import Path

from splittool.analysis.operations import operation_costs
from splittool.errors import InputError, UsageError
from splittool.files import sha256
from splittool.ir.graph import Graph, read_graph
from splittool.ir.load import load_model
from splittool.ir.splits import find_cut
from splittool.reports import BenchReport, FileRecord, RateRecord, file_record, read_report

_GIGA = {"k": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3, "P": 1e6}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGTP])FLOP(?:S|s|/s)", re.ASCII)
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_LONGEST_MS = 86_400_000.0  # a day
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s)", re.ASCII)


def read_rate(text: str, option: str, source: FileRecord, graph: Graph) -> RateRecord:
    """Read a rate such as 100GFLOPS, or a report of bench-vpu.

    Of a report it is the frames per second times the GFLOPs of what was measured, by this
    package's counting. It lets every operation run at the mean rate of that network.

    Args:
        text: The rate, or the report's file.
        option: Who asks, for messages.
        source: The file of the model to plan for, which may be the measured one.
        graph: Its graph.

    Raises:
        UsageError: It is neither a rate above 0 nor a JSON file.
        InputError: The report is of another kind, says 0 FPS, or its model is gone or changed.
    """
    rate = _RATE.fullmatch(text.strip())
    if rate and 0 < float(rate[1]) * _GIGA[rate[2]] < float("inf"):
        return RateRecord(given=text, gflops_per_second=float(rate[1]) * _GIGA[rate[2]])
    path = Path(text)
    if rate or path.suffix != ".json":
        raise UsageError(
            f"{option} {text!r} is no rate; give one such as 100GFLOPS or 5TFLOPS,"
            " or the .json report of bench-vpu"
        )
    report = read_report(path, BenchReport)
    gflops = _benched_gflops(path, report, source, graph)
    if not 0 < report.fps * gflops < float("inf"):
        raise InputError(
            f"{path}: {report.fps:g} FPS of a network of {gflops:g} GFLOPs is no rate;"
            " measure again with bench-vpu"
        )
    return RateRecord(
        given=text,
        gflops_per_second=report.fps * gflops,
        report=file_record(path),
        device=report.device_name,
        fps=report.fps,
        model_gflops=gflops,
    )


def parse_milliseconds(text: str, option: str) -> float:
    """Read a time such as 10ms, 0.5s or 200us.

    Raises:
        UsageError: It is none.
    """
    time = _TIME.fullmatch(text.strip())
    if not time or float(time[1]) * _MILLISECONDS[time[2]] > _LONGEST_MS:
        raise UsageError(f"{option} {text[:40]!r} is no time; give one such as 10ms, 0.5s or 200us")
    return float(time[1]) * _MILLISECONDS[time[2]]


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
