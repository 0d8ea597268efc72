"""Rows, limits and choices, by hand."""

from dataclasses import replace
from itertools import combinations
from math import ceil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from openvino import Model, Type
from openvino import opset13 as op
from plan_cases import INFER, SOURCE, compared, planned, row, terms

from splittool.cost.deployment import Deployment, answer_estimate, tensor_bytes
from splittool.cost.fleet import fleet
from splittool.cost.limits import nothing_fits
from splittool.cost.measurements import Measured, Sent, read_measured
from splittool.cost.operations import operation_costs
from splittool.cost.plan_options import PlanOptions
from splittool.cost.plans import plan
from splittool.errors import UsageError
from splittool.graph.graph import Graph, Operation, TensorInfo, read_graph
from splittool.graph.split_points import find_cut, split_points
from splittool.quantities import Link
from splittool.reports import (
    ArmRecord,
    HeadRateRecord,
    LimitsRecord,
    PlanReport,
    RateRecord,
    encode,
)
from splittool.runtime.ir import ModelInfo

POINTS = [f"maxpool_{level}" for level in range(1, 6)]


def test_a_row_by_hand(small: Graph) -> None:
    # 24 of 68 FLOPs at 1e-6 GFLOPS = 1 FLOP/ms; 4 elements of 8 bits at 0.008 Mbit/s = 1 byte/ms.
    report = planned(small, terms(1e-6, 4e-6, 0.008, rtt_ms=3.0))
    found = row(report, "first")
    assert (found.head_ms, found.transfer_ms, found.tail_ms) == pytest.approx((24, 4, 11))
    assert found.latency_ms == pytest.approx(24 + 4 + 3 + 11)
    assert found.fps == pytest.approx(1000 / 24)
    assert (found.bottleneck, found.payload_bytes, found.bits) == ("edge", 4, 8)
    assert found.head_gflops_share == pytest.approx(24 / 68)


def test_edge_only_sends_its_answer(small: Graph) -> None:
    # 68 FLOPs at 1 FLOP/ms; 5 bytes at 1 byte/ms.
    report = planned(small, terms(1e-6, 4e-6, 0.008, rtt_ms=3.0, answer_bytes=5))
    edge = report.rows[0]
    assert (edge.kind, edge.payload_bytes, edge.transfer_ms) == ("edge-only", 5, pytest.approx(5))
    assert edge.latency_ms == pytest.approx(68 + 5 + 3)
    assert (edge.head_gflops, edge.tail_gflops) == (pytest.approx(68e-9), 0)
    assert edge.fps == pytest.approx(1000 / 68)


@pytest.mark.parametrize("answer", [0, 1, 2, 4])
@pytest.mark.parametrize("mbps", [0.0008, 0.008, 0.08, 0.8])
@pytest.mark.parametrize("edge", [1e-7, 1e-6, 1e-5])
def test_the_optimum_is_that_of_all_cuts(
    small: Graph, answer: float, mbps: float, edge: float
) -> None:
    """Every closed cut by hand: a head is closed if it holds what its operations read."""
    given = terms(edge, 4e-6, mbps, rtt_ms=3.0, answer_bytes=answer)
    found = planned(small, given)
    flops = {"first": 24, "left": 8, "right": 8, "total": 4, "last": 24}
    reads = {"left": {"first"}, "right": {"first"}, "total": {"left", "right"}, "last": {"total"}}
    size = sum(flops.values())

    def latency(head: set[str]) -> float:
        crossing = {x for name in flops.keys() - head for x in reads.get(name, {"x"})} & {
            *head,
            "x",
        }
        sent = 4 * len(crossing) if len(head) < len(flops) else answer
        work = sum(flops[name] for name in head)
        times = work / (edge * 1e6) + sent * 8 / (mbps * 1e3) + (size - work) / 4
        return times + (3.0 if sent else 0.0)

    heads = [
        set(head)
        for count in range(len(flops) + 1)
        for head in combinations(flops, count)
        if all(reads.get(name, set()) <= set(head) for name in head)
    ]
    assert found.rows[found.optimum].latency_ms == pytest.approx(min(map(latency, heads)))


def test_the_answer_is_given_measured_or_estimated(paper_graph: Graph, tmp_path: Path) -> None:
    info = ModelInfo(split_points=POINTS)
    report = compared(
        ArmRecord("whole", dice=0.8),
        ArmRecord("answer", network="small.pt", payload_bytes_per_frame=90, dice=0.7),
        ArmRecord("answer", payload_bytes_per_frame=111.5, dice=0.8),
    )
    path = tmp_path / "compare.json"
    path.write_bytes(encode(report))

    def found(**more: Any) -> PlanReport:
        options = PlanOptions("100GFLOPS", "5TFLOPS", "1kbps", rtt="10ms", **more)
        return plan(SOURCE, paper_graph, info, options)

    given, measured = found(answer_bytes=7, infer=[path]), found(infer=[path])
    estimated, nobody = found(), found(answer_bytes=0)
    assert (given.answer, given.answer_bytes, given.rows[0].measured) == ("given", 7, False)
    assert (measured.answer, measured.answer_bytes) == ("measured", 111.5)
    row = measured.rows[0]
    assert (row.measured, row.codec, row.dice, row.payload_bytes) == (True, "masks", 0.8, 111.5)
    # Four maps of 256x1600: 4 x 640 bits.
    assert (estimated.answer, estimated.answer_bytes) == ("estimated", 320)
    assert estimated.rows[0].transfer_ms == pytest.approx(2560)
    edge = estimated.rows[0]
    assert edge.latency_ms == pytest.approx(edge.head_ms + 2560 + 10)
    assert nobody.rows[0].latency_ms == nobody.rows[0].head_ms


@pytest.mark.parametrize("size", [-1.0, float("inf"), float("nan")])
def test_an_answer_of_no_size(size: float) -> None:
    with pytest.raises(UsageError, match="`answer_bytes`"):
        PlanOptions(100, 5000, 100, answer_bytes=size).check()


def test_what_is_no_map_is_sent_as_it_is(small: Graph) -> None:
    assert answer_estimate(small, 8) == 4
    assert answer_estimate(small, 16) == 8


def test_without_an_answer_edge_only_sends_nothing_and_cloud_only_the_input(small: Graph) -> None:
    report = planned(small, terms(1e-6, 4e-6, 0.008, rtt_ms=3.0))
    edge, cloud = report.rows[:2]
    assert (edge.kind, edge.payload_bytes, edge.latency_ms) == ("edge-only", 0, pytest.approx(68))
    assert (cloud.kind, cloud.at, cloud.payload_bytes) == ("cloud-only", ["input"], 4)
    assert cloud.latency_ms == pytest.approx(4 + 3 + 17)
    assert cloud.bottleneck == "cloud"
    assert (report.chosen, report.optimum) == (1, 1)


def test_a_round_trip_is_no_limit_of_throughput(small: Graph) -> None:
    quick, slow = (planned(small, terms(1, 1, 1, rtt_ms=rtt)).rows[1] for rtt in (0, 1000))
    assert slow.fps == quick.fps
    assert slow.latency_ms == pytest.approx(quick.latency_ms + 1000)


def test_every_place_is_a_row(small: Graph) -> None:
    report = planned(small, terms(1, 1, 1))
    cuts = [set(row.at) for row in report.rows if row.kind == "cut"]
    assert cuts[0] == {"first"}
    assert {"left", "right"} in cuts
    assert {"total"} in cuts
    assert len(cuts) == 4


def branches() -> Graph:
    """y (1000) -> much work (1000), then x (1000) -> little work (1); both joined."""

    def made(index: int, kind: str, elements: int, *inputs: int) -> Operation:
        outputs = (TensorInfo(f"n{index}", (1, elements), "f32", 32),)
        return Operation(
            index, f"n{index}", kind, tuple((i, 0) for i in inputs), outputs, {}, False
        )

    return Graph(
        (
            made(0, "Parameter", 1000),
            made(1, "Parameter", 1000),
            made(2, "Tanh", 1000, 1),
            made(3, "Relu", 1, 0),
            made(4, "Add", 1000, 2, 3),
            made(5, "Result", 1000, 4),
        )
    )


def test_the_optimum_need_not_be_a_place_in_topological_order() -> None:
    # 1 FLOP and 1 byte are 1 ms, but 0.001 ms in the cloud: y is sent as it is, x after its work.
    report = planned(branches(), terms(1e-6, 1e-3, 0.008))
    best = report.rows[report.optimum]
    assert (best.at, best.payload_bytes) == (["n3"], 1001)
    assert best.latency_ms == pytest.approx(2 + 1001 + 7)
    assert find_cut(branches(), *best.at).head == (3,)
    assert ["n3"] not in [
        [branches().operations[i].name for i in p.ends] for p in split_points(branches())
    ]
    assert report.chosen == report.optimum


def test_measured_bytes_and_dice_take_the_place_of_bits(paper_graph: Graph, tmp_path: Path) -> None:
    paths = []
    for name, cut, bits, size in (
        ("whole", None, None, None),
        ("four", "maxpool_2", 4, 700_000.0),
        ("two", "maxpool_2", 2, 300_000.0),
        ("odd", "maxpool_2 + maxpool_1", 8, 500_000.0),  # the second is an ancestor of the first
    ):
        paths.append(tmp_path / f"{name}.json")
        report = msgspec.structs.replace(INFER, cut=cut, bits=bits, payload_bytes_per_frame=size)
        paths[-1].write_bytes(encode(report))
    measured = read_measured(paper_graph, paths)
    given = terms(100, 5000, 1000, image_bytes=100_000)
    report = planned(paper_graph, given, measured=measured, points=POINTS)
    sent = {row.bits: row.payload_bytes for row in report.rows if row.at == ["maxpool_2"]}
    assert sent == {4: 700_000, 2: 300_000, 8: 500_000}
    assert [row.measured for row in report.rows].count(True) == 3
    assert {row.dice for row in report.rows if row.measured} == {0.75}
    assert [row.dice for row in report.rows[:2]] == [0.75, 0.75]
    assert report.rows[1].payload_bytes == 100_000
    assert {row.point for row in report.rows if row.named} == set(POINTS)
    kept = planned(paper_graph, given, measured=measured, min_dice=0.7)
    assert [row.excluded for row in kept.rows].count([]) == 5


def test_each_way_to_compress_the_input_is_a_row(paper_graph: Graph) -> None:
    images = [
        Sent(5_000, 0.6, codec="jpeg", quality=10),
        Sent(20_000, 0.8, codec="webp", quality=80),
    ]
    measured = Measured(images=images, image_bytes=100_000, whole_dice=0.81)
    given = terms(100, 5000, 10, image_bytes=100_000)
    report = planned(paper_graph, given, measured=measured)
    rows = [row for row in report.rows if row.kind == "cloud-only"]
    assert [(row.codec, row.quality) for row in rows] == [(None, None), ("jpeg", 10), ("webp", 80)]
    assert [row.payload_bytes for row in rows] == [100_000, 5_000, 20_000]
    assert (report.limits.min_dice, report.implied) == (pytest.approx(0.805), ["min_dice"])
    assert report.best
    assert report.best.dice == 0.81  # nothing that loses 0.01 is chosen unless somebody asks
    for least, codec in ((0.7, "webp"), (0.0, "jpeg")):
        kept = planned(paper_graph, given, measured=measured, min_dice=least)
        assert kept.rows[kept.chosen or 0].codec == codec
        assert kept.implied == []


def test_the_frame_rate_that_is_wanted_is_reached(small: Graph) -> None:
    given = terms(1e-6, 4e-6, 0.008, fps=50.0)  # cloud only: 17 ms a frame; edge only 68
    report = planned(small, given)
    assert [row.point for row in report.rows if not row.excluded] == ["cloud only"]
    assert (report.limits.min_fps, report.implied) == (50, ["min_fps"])
    none = planned(small, terms(1e-6, 4e-6, 0.008, fps=60.0))
    assert none.chosen is None
    assert "`fps` 60 excludes most" in nothing_fits(none)
    own = planned(small, given, min_fps=10)
    assert (own.limits.min_fps, own.implied) == (10, [])


@pytest.mark.parametrize(
    "measured",
    [
        Measured(images=[Sent(5_000, 0.6, codec="jpeg", quality=10)]),  # of what is it a loss?
        Measured(image_bytes=100_000, whole_dice=0.8),  # nobody knows what a cut loses
    ],
)
def test_without_both_dice_nothing_is_implied(measured: Measured, paper_graph: Graph) -> None:
    report = planned(paper_graph, terms(100, 5000, 10), measured=measured)
    assert (report.limits.min_dice, report.implied) == (None, [])
    assert "of some ways alone: what is chosen may lose some" in remarks(report)


def remarks(report: PlanReport) -> str:
    return " ".join(part for part in report.tables() if isinstance(part, str))


def test_a_better_latency_comes_with_the_reason(small: Graph) -> None:
    given = terms(1e-6, 1e-6, 1)
    by_fps = remarks(planned(small, given, "fps"))
    assert "least latency of all closed cuts: 68 ms, edge only; the choice is for fps" in by_fps
    limited = remarks(planned(small, given, max_edge_gflops=30e-9))
    assert "edge only; out for GFLOPs" in limited
    free = remarks(planned(small, given))
    assert "68 ms, edge only no Dice was measured" in free.replace("  ", " ")


def test_latencies_of_several_requests_are_named(small: Graph) -> None:
    edge = RateRecord("bench.json", 1e-6, latency_ms=100.0, model_gflops=68e-9)
    two = msgspec.structs.replace(edge, requests_in_flight=2, report=SOURCE)
    given = Deployment(two, RateRecord("", 1), Link("link", 1), bits=8)
    report = planned(small, given)
    assert report.rows[0].head_ms == pytest.approx(100)
    assert report.rows[0].fps == pytest.approx(1000 / 68)
    assert "edge: latency as measured with 2 requests in flight" in remarks(report)


def test_measured_heads_take_what_they_took(paper_graph: Graph) -> None:
    costs = operation_costs(paper_graph)
    gflops = {
        point: sum(costs[i].flops or 0 for i in find_cut(paper_graph, point).head) / 1e9
        for point in ("maxpool_1", "maxpool_3")
    }
    heads = [
        HeadRateRecord("maxpool_1", gflops["maxpool_1"], 50.0),
        HeadRateRecord("maxpool_3", gflops["maxpool_3"], 20.0),
    ]
    edge = RateRecord("bench.json", 20 * gflops["maxpool_3"], heads=heads)
    report = planned(
        paper_graph,
        Deployment(edge, RateRecord("", 5000), Link("link", 1000), bits=8),
        points=POINTS,
    )
    assert row(report, "maxpool_1").head_ms == pytest.approx(1e3 / 50)
    assert row(report, "maxpool_3").head_ms == pytest.approx(1e3 / 20)
    assert 1e3 / 50 < row(report, "maxpool_2").head_ms < 1e3 / 20
    rest = report.rows[0].head_gflops - gflops["maxpool_3"]  # at the mean rate of the largest head
    expected = 1e3 / 20 * (1 + rest / gflops["maxpool_3"])
    assert report.rows[0].head_ms == pytest.approx(expected)
    order = [found.head_ms for found in report.rows if found.named]
    assert order == sorted(order)


def test_pixels_stay_pixels_until_the_first_convolution(paper_graph: Graph) -> None:
    sizes = {
        paper_graph.tensor(source).name: size
        for source, size in tensor_bytes(paper_graph, 4).items()
    }
    assert sizes["pixels"] == 3 * 256 * 1600
    assert sizes["normalise/Convert"] == 3 * 256 * 1600
    assert sizes["encoder_1.conv_1/Convolution"] == 8 * 256 * 1600 / 2


def test_a_compressed_image_is_one_image() -> None:
    x, y = (op.parameter([1, 4], Type.f32, name=name) for name in "xy")
    graph = read_graph(Model([op.result(op.add(x, y))], [x, y], "m"))
    assert planned(graph, terms(1, 1, 1)).rows[1].payload_bytes == 8
    with pytest.raises(UsageError, match="for one input, and the network has 2"):
        planned(graph, terms(1, 1, 1, image_bytes=10))


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"max_edge_gflops": -1}, "`max_edge_gflops` -1 excludes most, 6 of 6"),
        ({"min_fps": 1e9}, "`min_fps` 1e+09 excludes most"),
        ({"max_latency_ms": 1e-9, "min_fps": 1}, "`max_latency` 1e-09 excludes most"),
        ({"min_dice": 0.5, "max_latency_ms": 1e9}, "`min_dice` 0.5 excludes every split point"),
    ],
)
def test_when_nothing_fits(limit: dict[str, float], says: str, small: Graph) -> None:
    report = planned(small, terms(1e-3, 1e-3, 1), **limit)
    assert report.chosen is None
    assert says in nothing_fits(report)


def test_limits_choose_among_the_rest(small: Graph) -> None:
    given = terms(1e-6, 4e-6, 0.008)
    assert planned(small, given).chosen == 1
    edge = planned(small, given, max_latency_ms=100, min_fps=55)  # cloud only: 17 ms a frame
    assert edge.chosen == 1
    none = planned(small, given, min_fps=60)
    assert none.chosen is None
    deep = planned(small, terms(1e-6, 4e-6, 0.008), max_edge_gflops=30e-9)
    assert [row.point for row in deep.rows if not row.excluded] == ["cloud only", "first"]


def test_throughput_has_another_best_than_latency(small: Graph) -> None:
    given = terms(1e-6, 1e-6, 1)  # equal sides: cutting in the middle doubles the frames
    by_latency, by_fps = planned(small, given), planned(small, given, "fps")
    assert by_latency.chosen == 0
    assert by_fps.chosen is not None
    best = by_fps.rows[by_fps.chosen]
    assert best.kind == "cut"
    assert best.fps == max(row.fps or 0 for row in by_fps.rows)


# What the paper says of its network at its link of 1 Gbit/s: any intermediate state costs more than
# the input. The device has 100 GFLOPS here and the cloud 5 TFLOPS, which the paper does not say.


@pytest.mark.parametrize("objective", ["latency", "fps"])
def test_of_equal_cuts_the_named_one(objective: Any) -> None:
    """A rounding of four elements, after a matrix product, takes next to no time."""
    x = op.parameter([1, 16384], Type.f32, name="x")
    weights = op.constant(np.ones((16384, 4), np.float32))
    nodes = {"latent/MatMul": op.matmul(x, weights, False, False)}
    nodes["latent"] = op.round(nodes["latent/MatMul"], "half_to_even")
    nodes["decoder"] = op.matmul(nodes["latent"], weights, False, True)
    for name, node in nodes.items():
        node.set_friendly_name(name)
    graph = read_graph(Model([op.result(nodes["decoder"])], [x], "m"))
    given = terms(1.0, 1.1, 1000.0)
    best = {}
    for points in ([], ["latent"]):
        report = planned(graph, given, objective, None, points)
        assert report.best
        assert report.best_cut is not None
        best[len(points)] = report.best.point
        assert {report.rows[n].point for n in (report.best_cut, report.optimum)} == {
            report.best.point
        }
    assert best == {0: "latent/MatMul", 1: "latent"}


@pytest.mark.parametrize("bits", [16, 4])
@pytest.mark.parametrize("objective", ["latency", "fps"])
def test_under_the_papers_assumptions_send_the_input(
    bits: int, objective: str, paper_graph: Graph
) -> None:
    given = terms(100, 5000, 1000, bits=bits)
    report = planned(paper_graph, given, objective, points=POINTS)
    assert report.chosen == report.optimum == 1
    assert report.rows[1].payload_bytes == 1_228_800
    assert row(report, "maxpool_1").payload_bytes == 4_096_000 * bits / 8
    assert all(row.payload_bytes >= 1_228_800 for row in report.rows if row.named)


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (terms(100, 5000, 500, bits=4), "cloud only"),  # the uplink of the same table
        (terms(100, 5000, 100, bits=4), "edge only"),  # a slow link
        (terms(1000, 5000, 1000, bits=4), "edge only"),  # a quick device
        (terms(100, 5000, 1000, bits=2), "encoder_1.conv_1/Convolution"),  # half of the pixels
        (terms(100, 5000, 100, bits=2), "encoder_1.conv_1/Convolution"),
        (terms(100, 5000, 100, bits=2, image_bytes=160_000), "cloud only"),  # files, not pixels
        (terms(100, 5000, 10, bits=2, image_bytes=160_000), "edge only"),
    ],
)
def test_what_changes_it(given: Deployment, chosen: str, paper_graph: Graph) -> None:
    report = planned(paper_graph, given, points=POINTS)
    assert report.chosen is not None
    assert report.rows[report.chosen].point == chosen


def test_compressed_features_win_below_the_bytes_of_the_input(paper_graph: Graph) -> None:
    def chosen(size: float) -> str:
        measured = Measured(cuts={("maxpool_1",): [Sent(size, None, 4)]})
        found = planned(paper_graph, terms(100, 5000, 100, bits=4), measured=measured)
        return found.rows[found.chosen or 0].point

    assert chosen(2_048_000) == "edge only"  # 4 bits an element
    assert chosen(700_000) == "maxpool_1"  # 1.4 bits


def test_what_many_devices_need(paper_graph: Graph) -> None:
    sent = Measured(cuts={("maxpool_1",): [Sent(50_000, None, 4, decode_ms=2.0)]})
    report = planned(paper_graph, terms(100, 5000, 100), measured=sent)
    found = row(report, "maxpool_1")
    needed = fleet(found, 1000, 10.0)
    busy_ms = (found.tail_busy_ms or 0) + 2.0
    assert needed.frames_per_second == 10_000
    assert needed.mbps == pytest.approx(10_000 * 50_000 * 8 / 1e6)
    assert needed.busy_servers == pytest.approx(10_000 * busy_ms / 1e3)
    assert needed.servers == ceil(needed.busy_servers)
    assert needed.server_fps == pytest.approx(1e3 / busy_ms)


def test_devices_that_do_all_need_no_server(paper_graph: Graph) -> None:
    needed = fleet(planned(paper_graph, terms(100, 5000, 100)).rows[0], 1000, 10.0)
    assert (needed.server_fps, needed.servers) == (None, 0)
    assert "no server computes" in needed.shown("")


def test_a_plan_says_what_its_devices_need(paper_graph: Graph) -> None:
    options = PlanOptions(2000, 5000, 1000, bits=4, fps=10, devices=1000)
    report = plan(SOURCE, paper_graph, ModelInfo(split_points=POINTS), options)
    chosen = report.best
    assert chosen is not None
    assert report.fleet == fleet(chosen, 1000, 10)
    said = [str(each) for each in report.tables() if "1,000 devices at 10 FPS" in str(each)]
    assert len(said) == 1
    assert "bytes computed, the cloud's rate given, decoding not counted" in said[0]
    nothing = replace(options, limits=LimitsRecord(max_latency_ms=1e-6))
    assert plan(SOURCE, paper_graph, ModelInfo(), nothing).fleet is None


def test_a_plan_from_what_people_write(paper_graph: Graph) -> None:
    info = ModelInfo(split_points=POINTS)
    written = PlanOptions("100GFLOPS", "5TFLOPS", "100Mbps", rtt="10ms")
    numbers = PlanOptions(100, 5000.0, 100, rtt=10)
    one, other = (plan(SOURCE, paper_graph, info, given) for given in (written, numbers))
    assert one.rows == other.rows
    assert one.best == one.rows[one.chosen or 0]
    assert (one.bits, one.link, one.link_mbps, one.rtt_ms) == (16, "100Mbps", 100, 10)
    assert {found.point for found in one.rows if found.named} == set(POINTS)


@pytest.mark.parametrize(
    "change",
    [
        {"edge": "fast"},
        {"link": "wifi"},
        {"rtt": "1h"},
        {"bits": 17},
        {"image_bytes": 0},
        {"devices": 1000},
        {"devices": 0, "fps": 10},
        {"limits": LimitsRecord(min_dice=2)},
        {"limits": LimitsRecord(min_dice=-0.1)},
        {"limits": LimitsRecord(max_edge_gflops=-1)},
        {"limits": LimitsRecord(min_fps=0)},
    ],
)
def test_options_out_of_range(change: dict[str, Any], paper_graph: Graph) -> None:
    given = PlanOptions(**{"edge": 100, "cloud": 5000, "link": 100, **change})
    with pytest.raises(UsageError):
        plan(SOURCE, paper_graph, ModelInfo(), given)
