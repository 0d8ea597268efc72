import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splittool.cost.bitrate import (
    INPUT_FILES,
    input_files_row,
    mbps,
    over_limit,
    payload_bytes,
    sent_bits,
    split_row,
)
from splittool.cost.splits import describe_splits
from splittool.graph.graph import Graph
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


def test_payloads_add_up() -> None:
    tensors = [_tensor(10, "f32", 32), _tensor(3, "u8", 8), _tensor(5, "f32", 32)]
    assert payload_bytes(tensors, 4) == (15 * 4 + 3 * 8) / 8


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
