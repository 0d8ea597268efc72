from collections.abc import Iterator
from pathlib import Path

import pytest

from splittool.analysis.splits import describe_layers, describe_splits, input_split
from splittool.errors import InputError
from splittool.ir.graph import Graph
from splittool.reports import CutReport, SplitRecord, read_report

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
    assert point.head_operations == point.head_gflops == point.head_parameters == 0
    assert point.tail_gflops == pytest.approx(cut.split.head_gflops + cut.split.tail_gflops)
