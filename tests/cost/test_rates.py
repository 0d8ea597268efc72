from pathlib import Path

import msgspec
import pytest
from plan_cases import BENCH, bench_set, written

from splittool.cost.operations import operation_costs
from splittool.cost.rates import operation_latencies, operation_periods, read_rate
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.quantities import parse_compute
from splittool.reports import (
    FileRecord,
    RateRecord,
    encode,
    file_record,
)


def read(text: str, source: FileRecord, graph: Graph) -> RateRecord:
    return read_rate(parse_compute(text), source, graph)


def test_a_rate_as_given(paper_graph: Graph) -> None:
    rate = read("5TFLOPS", FileRecord("x", 1, "0"), paper_graph)
    assert (rate.given, rate.gflops_per_second, rate.report) == ("5TFLOPS", 5000, None)


def write(folder: Path, **changes: object) -> str:
    path = folder / "bench.json"
    path.write_bytes(encode(msgspec.structs.replace(BENCH, **changes)))
    return str(path)


def test_a_benchmark_gives_fps_times_the_gflops_of_its_model(
    exported: Path, tmp_path: Path
) -> None:
    source, graph = file_record(exported), read_graph(load_model(exported))
    gflops = sum(cost.flops or 0 for cost in operation_costs(graph).values()) / 1e9
    other = FileRecord("other.xml", 1, "0")
    for given in (source, other):  # the model to plan for, and found by its path
        rate = read(write(tmp_path, source=source), given, graph)
        assert rate.gflops_per_second == pytest.approx(10 * gflops)
        assert (rate.fps, rate.device) == (10, "a processor")


def test_a_benchmark_of_a_split_point_counts_its_head_alone(exported: Path, tmp_path: Path) -> None:
    source, graph = file_record(exported), read_graph(load_model(exported))
    costs = operation_costs(graph)
    gflops = sum(costs[i].flops or 0 for i in find_cut(graph, "maxpool_1").head) / 1e9
    rate = read(write(tmp_path, source=source, point="maxpool_1"), source, graph)
    assert rate.model_gflops == pytest.approx(gflops)


def test_benchmarks_that_give_no_rate(exported: Path, checkpoint: Path, tmp_path: Path) -> None:
    source, graph = file_record(exported), read_graph(load_model(exported))
    with pytest.raises(InputError, match=r"0 FPS of a network of .* give no compute rate"):
        read(write(tmp_path, source=source, fps=0), source, graph)
    gone = FileRecord("gone.xml", 1, "0")
    with pytest.raises(InputError, match=r"is of gone\.xml, which is not here"):
        read(write(tmp_path, source=gone), source, graph)
    changed = msgspec.structs.replace(file_record(checkpoint), sha256="0")
    with pytest.raises(InputError, match="has changed since"):
        read(write(tmp_path, source=changed), source, graph)


def test_heads_of_the_planned_model(tmp_path: Path, paper_graph: Graph) -> None:
    source = FileRecord("unet.xml", 1, "abc")
    own = msgspec.structs.replace(BENCH, source=source)
    runs = [
        msgspec.structs.replace(own, point="maxpool_2", fps=20.0),
        msgspec.structs.replace(own, fps=5.0),
        msgspec.structs.replace(own, point="maxpool_1", fps=40.0),
        msgspec.structs.replace(BENCH, fps=1000.0),  # of another model
    ]
    rate = read(written(tmp_path / "set.json", bench_set(*runs)), source, paper_graph)
    assert [(head.point, head.fps) for head in rate.heads] == [
        ("maxpool_1", 40),
        ("maxpool_2", 20),
        (None, 5),
    ]
    assert (rate.fps, rate.model_gflops) == (5, rate.heads[-1].gflops)
    costs = operation_costs(paper_graph)
    seconds = operation_periods(rate, paper_graph, costs)
    for point, fps in (("maxpool_1", 40), ("maxpool_2", 20)):
        assert sum(seconds[i] for i in find_cut(paper_graph, point).head) == pytest.approx(1 / fps)
    assert sum(seconds.values()) == pytest.approx(1 / 5)
    assert min(seconds.values()) >= 0


def test_a_larger_head_is_not_quicker(tmp_path: Path, paper_graph: Graph) -> None:
    source = FileRecord("unet.xml", 1, "abc")
    own = msgspec.structs.replace(BENCH, source=source)
    runs = [
        msgspec.structs.replace(own, point="maxpool_1", fps=40.0),
        msgspec.structs.replace(own, point="maxpool_2", fps=41.0),
    ]
    rate = read(written(tmp_path / "set.json", bench_set(*runs)), source, paper_graph)
    seconds = operation_periods(rate, paper_graph, operation_costs(paper_graph))
    assert min(seconds.values()) >= 0
    head = find_cut(paper_graph, "maxpool_2").head
    assert sum(seconds[i] for i in head) == pytest.approx(1 / 40)


def test_a_set_of_other_models(tmp_path: Path, paper_graph: Graph) -> None:
    path = written(tmp_path / "set.json", bench_set(BENCH, BENCH))
    with pytest.raises(InputError, match=r"set\.json has no run of unet\.xml; .* --splits"):
        read(path, FileRecord("unet.xml", 1, "abc"), paper_graph)


def test_a_set_of_one_is_like_the_one(tmp_path: Path, paper_graph: Graph) -> None:
    """One head takes what it took; the operations after it run at its mean rate."""
    source = FileRecord("unet.xml", 1, "abc")
    run = msgspec.structs.replace(BENCH, source=source, point="maxpool_1")
    rate = read(written(tmp_path / "set.json", bench_set(run)), source, paper_graph)
    assert rate == msgspec.structs.replace(
        read(write(tmp_path, source=source, point="maxpool_1"), source, paper_graph),
        given=rate.given,
        report=rate.report,
    )
    assert [(head.point, head.fps) for head in rate.heads] == [("maxpool_1", 10)]
    whole = read(write(tmp_path, source=source), source, paper_graph)
    assert (whole.heads, whole.fps) == ([], 10)


def test_latency_is_what_was_measured_and_not_a_share_of_the_throughput(
    tmp_path: Path, paper_graph: Graph
) -> None:
    """Two requests in flight: 20 frames a second, each of which takes 100 ms."""
    source = FileRecord("unet.xml", 1, "abc")
    costs = operation_costs(paper_graph)
    for point in (None, "maxpool_1"):
        path = write(tmp_path, source=source, point=point, fps=20.0, requests_in_flight=2)
        rate = read(path, source, paper_graph)
        head = costs if point is None else find_cut(paper_graph, point).head
        periods = operation_periods(rate, paper_graph, costs)
        latencies = operation_latencies(rate, paper_graph, costs)
        assert sum(periods[i] for i in head) == pytest.approx(1 / 20)
        assert sum(latencies[i] for i in head) == pytest.approx(0.1)
        assert rate.requests_in_flight == 2


def test_the_head_of_a_cut_on_disk_is_used_for_that_head(
    cut_folder: Path, exported: Path, tmp_path: Path
) -> None:
    source, graph = file_record(exported), read_graph(load_model(exported))
    run = msgspec.structs.replace(BENCH, source=file_record(cut_folder / "head.xml"), fps=1141.0)
    tail = msgspec.structs.replace(BENCH, source=file_record(cut_folder / "tail.xml"))
    rate = read(written(tmp_path / "set.json", bench_set(run, tail)), source, graph)
    (head,) = rate.heads
    assert (head.point, head.fps) == ("maxpool_2", 1141)
    seconds = operation_periods(rate, graph, operation_costs(graph))
    assert sum(seconds[i] for i in find_cut(graph, "maxpool_2").head) == pytest.approx(1 / 1141)
