import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import Model, Type
from openvino import opset13 as op

from splittool.cost.bitrate import (
    INPUT_FILES,
    Streams,
    bitrate_report,
    input_files_row,
    mbps,
    over_limit,
    sent_bits,
    split_bytes,
    split_row,
)
from splittool.cost.deployment import tensor_bytes
from splittool.cost.measurements import Sent
from splittool.cost.splits import describe_split_points, describe_splits
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.reports import SplitRecord, TensorRecord

GOLDEN = json.loads((Path(__file__).parent / "golden" / "paper_tables.json").read_text())
LEVELS = [f"maxpool_{level}" for level in range(1, 6)]


@pytest.fixture(scope="module")
def splits(paper_graph: Graph) -> dict[str, SplitRecord]:
    return {split.point: split for split in describe_splits(paper_graph, ["input", *LEVELS])}


@pytest.mark.parametrize("fps", ["12", "10"])
@pytest.mark.parametrize("point", LEVELS)
@pytest.mark.parametrize("table", ["Table I", "Table II"])
def test_the_papers_numbers(
    splits: dict[str, SplitRecord], table: str, point: str, fps: str
) -> None:
    row = split_row(splits[point], GOLDEN[table]["bits"], [float(fps)], {})
    assert round(row.mbps[fps], 2) == GOLDEN[table]["mbps"][point][fps]


def test_there_are_twenty_of_them() -> None:
    numbers = [
        v for table in GOLDEN.values() for row in table["mbps"].values() for v in row.values()
    ]
    assert len(numbers) == 20


def test_the_image_is_sent_as_bytes_at_any_precision(splits: dict[str, SplitRecord]) -> None:
    rows = [split_row(splits["input"], bits, [10], {}) for bits in (1, 4, 16)]
    assert {row.bits for row in rows} == {8}
    assert {row.payload_bytes for row in rows} == {3 * 256 * 1600}
    assert rows[0].mbps["10"] == pytest.approx(98.304)


def _tensor(elements: int, kind: str, bits: int) -> TensorRecord:
    return TensorRecord("t", [1, elements], kind, bits, elements)


@pytest.mark.parametrize(
    ("kind", "own", "sent"), [("f32", 32, 4), ("f16", 16, 4), ("u8", 8, 8), ("i64", 64, 64)]
)
def test_only_real_numbers_are_quantised(kind: str, own: int, sent: int) -> None:
    assert sent_bits(_tensor(3, kind, own), 4) == sent


def test_payloads_add_up(splits: dict[str, SplitRecord]) -> None:
    tensors = [_tensor(10, "f32", 32), _tensor(3, "u8", 8), _tensor(5, "f32", 32)]
    split = msgspec.structs.replace(splits["maxpool_1"], tensors=tensors)
    assert split_bytes(split, 4) == (15 * 4 + 3 * 8) / 8


def foreign_graph(shape: list[int], kind: Type = Type.f32) -> Graph:
    """Another tool's network: real numbers in, halved, then a matrix product over the last axis."""
    x = op.parameter(shape, kind, name="x")
    halved = op.multiply(op.convert(x, Type.f32), op.constant(np.float32(0.5)))
    weights = op.constant(np.ones((shape[-1], 2), np.float32))
    product = op.matmul(halved, weights, False, False)
    for name, node in {"halved": halved, "product": product}.items():
        node.set_friendly_name(name)
    return read_graph(Model([op.result(product)], [x], "foreign"))


@pytest.mark.parametrize("bits", [2, 4, 16])
@pytest.mark.parametrize("shape", [[1, 3, 8, 12], [1, 8, 12, 3]])
def test_another_tools_image_is_bytes_and_not_features(shape: list[int], bits: int) -> None:
    graph = foreign_graph(shape)
    found = {s.point: split_bytes(s, bits) for s in describe_splits(graph, ["input", "halved"])}
    assert found == {"input": 288, "halved": 288 * max(bits, 8) / 8}


def test_an_input_that_is_no_image_is_features() -> None:
    (split,) = describe_splits(foreign_graph([1, 5, 8, 12]), ["input"])
    assert split_bytes(split, 4) == 480 * 4 / 8


@pytest.mark.parametrize("bits", [1, 4, 16])
def test_plan_bitrate_and_plot_bill_the_same(paper_graph: Graph, bits: int) -> None:
    for graph in (paper_graph, foreign_graph([1, 3, 8, 12]), foreign_graph([1, 5, 8, 12])):
        sizes = {graph.tensor(at).name: size for at, size in tensor_bytes(graph, bits).items()}
        for split in describe_split_points(graph)[0]:
            planned = sum(sizes[tensor.name] for tensor in split.tensors)
            assert split_bytes(split, bits) == pytest.approx(planned), split.point
            assert split_row(split, bits, [1], {}).payload_bytes == split_bytes(split, bits)


@given(st.floats(1, 1e8), st.floats(0.1, 1000), st.floats(0.1, 10))
def test_rates_grow_with_bytes_and_frames(size: float, fps: float, factor: float) -> None:
    assert mbps(size * factor, fps) == pytest.approx(factor * mbps(size, fps))
    assert mbps(size, fps * factor) == pytest.approx(factor * mbps(size, fps))
    assert mbps(125_000, 1) == 1


def test_links_that_fit(splits: dict[str, SplitRecord]) -> None:
    row = split_row(splits["maxpool_1"], 16, [12, 10, 0.5], {"exact": 655.36, "slow": 1.0})
    assert row.links == {
        "exact": {"12": False, "10": True, "0.5": True},
        "slow": {"12": False, "10": False, "0.5": False},
    }


def test_image_files_have_no_bits_of_their_own() -> None:
    row = input_files_row(1000.5, [10], {"l": 0.1})
    assert (row.point, row.bits, row.elements) == (INPUT_FILES, None, None)
    assert row.mbps["10"] == pytest.approx(0.08004)
    assert row.links == {"l": {"10": True}}


def test_cuts_over_a_limit_are_named(splits: dict[str, SplitRecord]) -> None:
    rows: list[Any] = [split_row(splits[p], 16, [12, 10], {}) for p in ("input", *LEVELS[:2])]
    rows.append(input_files_row(1e9, [12, 10], {}))
    assert over_limit(rows, 800) == [
        "maxpool_2 at 16 bits and 12 FPS (1022.36)",
        "maxpool_2 at 16 bits and 10 FPS (851.97)",
    ]
    assert over_limit(rows, 2000) == []


def test_measured_frames_stand_beside(splits: dict[str, SplitRecord]) -> None:
    frames = [
        ("maxpool_1", Sent(9e5, 0.8, 4, "fast")),
        ("maxpool_1", Sent(7.5e5, 0.8, 4, "small")),
        ("maxpool_2", Sent(1e5, 0.8, 2, "small")),
    ]
    streams = Streams(bits=[4], fps=[10.0], links=[], frames=frames)
    report = bitrate_report(None, [splits["input"], *(splits[p] for p in LEVELS[:2])], streams)
    found = {row.point: row for row in report.rows}
    first = found["maxpool_1"]
    assert (first.measured_bytes, first.measured_codec) == (7.5e5, "small")
    assert (first.mbps["10"], first.measured_mbps) == (pytest.approx(163.84), {"10": 60.0})
    assert found["maxpool_2"].measured_bytes is found["input"].measured_bytes is None
    with pytest.raises(InputError, match="frames of `infer` are of maxpool_1, maxpool_2, at other"):
        bitrate_report(None, list(splits.values()), replace(streams, bits=[8]))
