"""Distinct places and the frontier, by hand and against their definition."""

import random
from typing import Any

import pytest
from plan_cases import planned, terms

from splittool.cost.selection import best_places, frontier, shown_rows
from splittool.graph.graph import Graph
from splittool.reports import PlanRow


def row(point: str, **values: Any) -> PlanRow:
    given: dict[str, Any] = {
        "point": point,
        "at": [point],
        "kind": "cut",
        "named": False,
        "bits": 8,
        "measured": False,
        "payload_bytes": 10.0,
        "dice": None,
        "head_gflops": 1.0,
        "tail_gflops": 1.0,
        "head_gflops_share": 0.5,
        "head_weighted_layers": 1,
        "head_ms": 1.0,
        "transfer_ms": 1.0,
        "tail_ms": 1.0,
        "latency_ms": 3.0,
        "fps": 100.0,
        "bottleneck": "edge",
    }
    return PlanRow(**{**given, **values})


def test_a_bias_makes_no_other_place() -> None:
    rows = [
        row("conv", latency_ms=3.0),
        row("bias", latency_ms=3.1),
        row("relu", latency_ms=3.2, named=True),
        row("pool", latency_ms=2.0, payload_bytes=5.0),
        row("conv_2", latency_ms=4.0, head_weighted_layers=2),
    ]
    found = best_places(rows, range(len(rows)), "latency")
    assert [rows[n].point for n in found] == ["pool", "relu", "conv_2"]


def test_a_scaled_image_is_still_the_input() -> None:
    rows = [
        row("cloud only", kind="cloud-only", at=["input"], head_weighted_layers=0),
        row("scaled", head_weighted_layers=0, payload_bytes=20.0, latency_ms=5.0),
    ]
    assert best_places(rows, (0, 1), "latency") == [0]


def test_ways_to_send_one_cut_are_one_place() -> None:
    ways = [
        row("a", measured=True, payload_bytes=size, latency_ms=size, dice=dice)
        for size, dice in ((3.0, 0.5), (2.0, 0.4))
    ]
    assert best_places(ways, (0, 1), "latency") == [1]


def test_the_frontier() -> None:
    rows = [
        row("few bytes", payload_bytes=1.0, head_gflops=9.0),
        row("little work", payload_bytes=9.0, head_gflops=1.0),
        row("between", payload_bytes=5.0, head_gflops=5.0),
        row("beaten", payload_bytes=6.0, head_gflops=5.0),
    ]
    assert frontier(rows, range(4)) == [0, 1, 2]


def test_dice_counts_where_it_was_measured() -> None:
    rows = [
        row("coarse", payload_bytes=1.0, dice=0.5),
        row("fine", payload_bytes=2.0, dice=0.8),
        row("wasteful", payload_bytes=3.0, dice=0.8),
        row("unknown", payload_bytes=0.5),
    ]
    assert frontier(rows, range(4)) == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_on_the_frontier_is_beaten_and_all_else_is(seed: int) -> None:
    chance = random.Random(seed)
    rows = [
        row(str(n), payload_bytes=float(chance.randint(1, 5)), head_gflops=chance.randint(1, 5))
        for n in range(30)
    ]
    best = frontier(rows, range(30))

    def beaten(number: int) -> bool:
        own = rows[number]
        return any(
            other.payload_bytes <= own.payload_bytes
            and other.head_gflops <= own.head_gflops
            and (other.payload_bytes, other.head_gflops) != (own.payload_bytes, own.head_gflops)
            for other in rows
        )

    assert [beaten(number) for number in range(30)] == [number not in best for number in range(30)]


def test_what_is_shown(small: Graph) -> None:
    rows = planned(small, terms(1e-6, 4e-6, 0.008)).rows
    assert shown_rows(rows, "latency", None, False) is None
    everything = shown_rows(rows, "latency", 99, False)
    assert everything is not None
    assert shown_rows(rows, "latency", 2, False) == everything[:2]
    assert [rows[n].latency_ms for n in everything] == sorted(
        rows[n].latency_ms for n in everything
    )
    assert shown_rows(rows, "latency", 1, True) == everything[:1]
