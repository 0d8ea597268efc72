from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.cost.splits import (
    describe_layers,
    describe_split_points,
    describe_splits,
    input_split,
    list_splits,
)
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.reports import CutReport, SplitRecord, read_report
from splittool.runtime.ir import ModelInfo

POINTS = ["input", *(f"maxpool_{level}" for level in range(1, 6))]


@pytest.fixture(scope="module")
def splits(paper_graph: Graph) -> list[SplitRecord]:
    return describe_splits(paper_graph, POINTS)


def test_head_and_tail_share_all_there_is(splits: list[SplitRecord]) -> None:
    for split in splits:
        assert split.head_gflops + split.tail_gflops == pytest.approx(9.7413120)
        assert split.head_gmacs + split.tail_gmacs == pytest.approx(4.8103424)
        share = split.head_gflops / (split.head_gflops + split.tail_gflops)
        assert split.head_gflops_share == pytest.approx(share)
    assert len({split.head_operations + split.tail_operations for split in splits}) == 1


def test_later_cuts_do_more_on_the_device(splits: list[SplitRecord]) -> None:
    for name in ("head_operations", "head_gflops", "head_parameters", "head_weighted_layers"):
        values = [getattr(split, name) for split in splits]
        assert values == sorted(set(values))
    assert splits[0].head_operations == 0
    assert [split.head_weighted_layers for split in splits] == [0, 2, 4, 6, 8, 10]


def test_the_first_level_by_hand(splits: list[SplitRecord]) -> None:
    split = splits[1]
    # 3x3 convolutions 3 to 8 and 8 to 8, with biases, and the deviation of the pixels.
    assert split.head_parameters == 3 * 8 * 9 + 8 + 8 * 8 * 9 + 8 + 1
    assert split.head_gmacs == pytest.approx(256 * 1600 * 9 * (3 * 8 + 8 * 8) / 1e9)
    assert [tensor.elements for tensor in split.tensors] == [3_276_800, 819_200]


def test_unknown_points_are_refused(paper_graph: Graph) -> None:
    with pytest.raises(InputError, match="no split point 'maxpool_6'"):
        describe_splits(paper_graph, ["maxpool_6"])


def test_layers_add_up(paper_graph: Graph) -> None:
    layers = describe_layers(paper_graph)

    def running(values: Iterator[float]) -> Iterator[float]:
        total = 0.0
        for value in values:
            total += value
            yield total

    for name in ("gflops", "gmacs", "parameters", "elements"):
        sums = list(running(getattr(layer, name) for layer in layers))
        assert [getattr(layer, f"cumulative_{name}") for layer in layers] == pytest.approx(sums)
    assert [layer.name for layer in layers if layer.type == "MaxPool"] == POINTS[1:]


def test_the_input_of_a_cut_is_a_split_point(cut_folder: Path) -> None:
    cut = read_report(cut_folder / "cut.json", CutReport)
    point = input_split(cut)
    assert point.point == "input"
    assert point.elements == 3 * 64 * 96
    on_the_device = [name for name in point.__struct_fields__ if name.startswith("head_")]
    assert "head_weighted_layers" in on_the_device
    assert {name: getattr(point, name) for name in on_the_device} == dict.fromkeys(on_the_device, 0)
    assert point.tail_gflops == pytest.approx(cut.split.head_gflops + cut.split.tail_gflops)


def test_the_places_are_priced_as_the_cuts_there(paper_graph: Graph) -> None:
    found, refused = describe_split_points(paper_graph)
    assert refused == []
    assert [split.at for split in found[:1]] == [["input"]]
    assert len(found) == len(paper_graph.by_name)
    for split, expected in zip(
        found, describe_splits(paper_graph, [split.point for split in found]), strict=True
    ):
        assert split == expected


def test_the_named_points_are_shown_or_else_every_place(paper_graph: Graph) -> None:
    named, _ = list_splits(paper_graph, ModelInfo(split_points=["maxpool_2", "gone"]))
    assert [split.point for split in named] == ["input", "maxpool_2"]
    every, _ = list_splits(paper_graph, ModelInfo())
    assert len(every) == len(paper_graph.by_name)


def test_every_branch_is_billed() -> None:
    """Five branches before a concatenation: a cut after them sends five tensors."""
    x = op.parameter([1, 8, 4, 4], ov.Type.f32, name="x")
    branches = []
    for number in range(5):
        branch = op.relu(op.multiply(x, op.constant(np.float32(number))))
        branch.set_friendly_name(f"branch_{number}")
        branches.append(branch)
    graph = read_graph(ov.Model([op.result(op.concat(branches, 1))], [x], "m"))
    found, _ = describe_split_points(graph)
    assert found[-1].at == [f"branch_{number}" for number in range(5)]
    assert found[-1].elements == 5 * 8 * 4 * 4
    alone = describe_splits(graph, ["branch_2"])[0]
    assert {tensor.name for tensor in alone.tensors} == {"x", "branch_2"}
