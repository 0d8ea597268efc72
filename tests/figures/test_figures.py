from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from splittool.cost.splits import describe_split_points, describe_splits
from splittool.figures import costs, curves, networks, style
from splittool.figures.comparison import comparison
from splittool.graph.graph import Graph
from splittool.reports import ArmRecord, SplitRecord


def record(epoch: int, loss: float, dice: float | None) -> dict[str, object]:
    part = {"loss": loss, "dice": dice}
    return {"epoch": epoch, "train": part, "validation": part}


HISTORY = [record(1, 60.0, None), record(2, 1.0, 0.2), record(3, 0.9, 0.4), record(4, 0.8, 0.5)]


@pytest.fixture(scope="module")
def named(paper_graph: Graph) -> list[SplitRecord]:
    return describe_splits(paper_graph, ["input", *(f"maxpool_{level}" for level in range(1, 6))])


@pytest.fixture(scope="module")
def places(paper_graph: Graph) -> list[SplitRecord]:
    return describe_split_points(paper_graph)[0]


def _texts(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_xticklabels()]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_history_gives_the_same_file(suffix: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        style.save(curves.training_curves(HISTORY), tmp_path / f"{name}.{suffix}")
    one, two = sorted(tmp_path.iterdir())
    assert one.read_bytes() == two.read_bytes()
    if suffix == "png":
        with Image.open(one) as image:
            assert image.width == 300 * style.COLUMN


def test_a_peak_of_the_validation_loss_is_cut_off_and_named() -> None:
    loss, dice = curves.training_curves(HISTORY).axes
    assert loss.get_title() == "validation peak of 60 cut off"
    assert loss.get_ylim()[1] < 5
    assert [line.get_label() for line in dice.lines] == ["train", "validation"]
    assert list(dice.lines[1].get_ydata())[1:] == [0.2, 0.4, 0.5]  # type: ignore[arg-type]


def test_curves_say_how_many_pairs_they_are_of() -> None:
    counted = [
        {**record, "validation": {**record["validation"], "defective_pairs": 7}}  # type: ignore[dict-item]
        for record in HISTORY
    ]
    loss, _ = curves.training_curves(counted).axes
    labels = [line.get_label() for line in loss.lines]
    assert labels == ["train", "validation (n = 7 defective pairs)"]


def test_bytes_of_a_frame_are_drawn_where_they_had_a_price() -> None:
    parts = ("train", "validation")
    priced = [
        {**record, **{part: {**record[part], "bytes_per_frame": 90.0} for part in parts}}
        for record in HISTORY
    ]
    *_, last = curves.training_curves(priced).axes
    assert last.get_ylabel() == "bytes of a frame"
    assert [set(line.get_ydata()) for line in last.lines] == [{90.0}, {90.0}]  # type: ignore[arg-type]


def test_layers_are_grouped_by_the_order_of_split_points(named: list[SplitRecord]) -> None:
    rate, layers = networks.layers({"a": named, "b": named[:3]}, 4, 10.0).axes
    heights = [[bar.get_height() for bar in group] for group in rate.containers]
    assert heights[0] == pytest.approx([163.84, 212.9920, 237.568, 249.856, 250.88])
    assert heights[1] == heights[0][:2]
    assert [bar.get_height() for bar in layers.containers[0]] == [2, 4, 6, 8, 10]
    assert "4 bits, 10 FPS" in rate.get_ylabel()
    # The image is sent as the bytes it is.
    assert rate.lines[0].get_ydata()[0] == pytest.approx(3 * 256 * 1600 * 8 * 10 / 1e6)


def test_cost_rises_to_the_whole(places: list[SplitRecord]) -> None:
    work, memory = costs.cost(places).axes
    values = list(work.lines[0].get_ydata())
    assert values == sorted(values)
    assert values[-1] == pytest.approx(9.74, abs=0.01)
    assert [line.get_label() for line in memory.lines] == [
        "sum of all (MaxMem)",
        "alive at once (MinMem)",
    ]
    assert "maxpool_3" in _texts(memory)
    assert "GFLOPs" in work.get_ylabel()


def test_names_of_places_do_not_lie_over_each_other(places: list[SplitRecord]) -> None:
    axis = costs.cost(places).axes[-1]
    ticks = list(axis.get_xticks())
    gaps = [b - a for a, b in pairwise(ticks)]
    assert min(gaps) >= len(places) / costs.MOST_TICKS


def test_output_shows_measured_rates_only_where_there_are_any(places: list[SplitRecord]) -> None:
    assert len(costs.output(places).axes) == 1
    sent, rate = costs.output(places, {"maxpool_2": 12.0, "maxpool_4": 9.0}).axes
    assert max(sent.lines[0].get_ydata()) == pytest.approx(6.5536)
    assert list(rate.lines[0].get_ydata()) == [12.0, 9.0]
    points = [places[int(x)].point for x in rate.lines[0].get_xdata()]
    assert points == ["maxpool_2", "maxpool_4"]


def test_tradeoff_has_a_point_for_each_cut_and_a_line_for_the_input(
    named: list[SplitRecord],
) -> None:
    (axis,) = networks.tradeoff({"unet": named}, 4).axes
    assert len(axis.lines[0].get_xdata()) == 5
    labels = [line.get_label() for line in axis.lines]
    assert "input image, 9.83 Mbit" in labels
    # Each pooling of the U-Net costs more of both than the one before.
    assert len(axis.lines[1].get_xdata()) == 1
    assert axis.lines[1].get_label() == "unet (n = 5 cuts)"
    assert [text.get_text() for text in axis.texts] == ["maxpool_1"]


@pytest.mark.parametrize(
    ("points", "best"),
    [
        ([(1, 5), (2, 4), (3, 4), (4, 1)], [(1, 5), (2, 4), (4, 1)]),
        ([(2, 2), (1, 1)], [(1, 1)]),
        ([(1, 1), (1, 0)], [(1, 0)]),
        ([], []),
    ],
)
def test_what_no_other_point_beats(
    points: list[tuple[float, float]], best: list[tuple[float, float]]
) -> None:
    assert networks.pareto(points) == best


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from splittool.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[plots\]'"):
        curves.training_curves(HISTORY)


def test_dollars_in_names_are_no_formula(named: list[SplitRecord], tmp_path: Path) -> None:
    hostile = [replace(split, point=f"$\\frac$ {split.point}") for split in named]
    for kind, drawn in (
        ("layers", networks.layers({"$\\frac$": hostile}, 4, 10.0)),
        ("tradeoff", networks.tradeoff({"$\\frac$": hostile}, 4)),
        ("cost", costs.cost(hostile)),
        ("comparison", comparison([ArmRecord("cut", "$\\frac$", 4, "raw", dice=0.5,
                                             payload_bytes_per_frame=9)])),
    ):  # fmt: skip
        style.save(drawn, tmp_path / f"{kind}.svg")
