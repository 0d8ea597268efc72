"""Which rows of a plan to show: distinct places, the best of them, and those that nothing beats."""

from collections.abc import Iterable, Sequence
from operator import le

from splittool.graph.split_points import INPUT
from splittool.reports import PlanRow
from splittool.vocabulary import Objective


def best_places(rows: Sequence[PlanRow], numbers: Iterable[int], objective: Objective) -> list[int]:
    """The best row of each distinct place, the best place first.

    Cuts with as many weighted layers on the device that send as many bytes differ in a bias or an
    activation alone: they are one place, and a named one stands for it. Ways to send a measured cut
    are one place as well, and so are all ways to send the input, scaled or shifted or as it is.

    Args:
        rows: All rows.
        numbers: The rows to choose from.
        objective: What is best.
    """

    def key(number: int) -> tuple[object, ...]:
        return (*rows[number].merits(objective), -(rows[number].dice or 0.0), number)

    places: dict[tuple[object, ...], int] = {}
    for number in sorted(numbers, key=key):
        place = _place(rows[number])
        before = places.setdefault(place, number)
        if rows[number].named and not rows[before].named:
            places[place] = number
    return sorted(places.values(), key=key)


def _place(row: PlanRow) -> tuple[object, ...]:
    if row.kind == "cut" and not row.head_weighted_layers:
        return ("cloud-only", INPUT)
    if row.measured or row.kind != "cut":
        return (row.kind, *row.at)
    return (row.kind, row.head_weighted_layers, round(row.payload_bytes))


def frontier(rows: Sequence[PlanRow], numbers: Iterable[int]) -> list[int]:
    """Rows that no other one beats in bytes, work on the device and Dice at once.

    Where Dice was measured of any row, those without it are left out; else it does not count.

    Args:
        rows: All rows.
        numbers: The rows to choose from.
    """
    chosen = list(numbers)
    if any(rows[number].dice is not None for number in chosen):
        chosen = [number for number in chosen if rows[number].dice is not None]
    costs = {number: _costs(rows[number]) for number in chosen}
    return [n for n in chosen if not any(_beats(costs[m], costs[n]) for m in chosen)]


def _costs(row: PlanRow) -> tuple[float, ...]:
    return row.payload_bytes, row.head_gflops, -(row.dice or 0.0)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether one is nowhere worse and somewhere better."""
    return one != other and all(map(le, one, other))


def shown_rows(
    rows: Sequence[PlanRow], objective: Objective, top: int | None, pareto: bool
) -> list[int] | None:
    """The rows that were asked for, the best first; None where nothing was asked for.

    Args:
        rows: All rows.
        objective: What is best.
        top: How many distinct places within the limits; None for all.
        pareto: Only those that no other one beats.
    """
    if top is None and not pareto:
        return None
    numbers = [number for number, row in enumerate(rows) if not row.excluded]
    if pareto:
        numbers = frontier(rows, numbers)
    return best_places(rows, numbers, objective)[:top]
