"""What was measured of whole heads, divided among their operations."""

from collections.abc import Mapping, Sequence

from splittool.cost.operations import OperationCost
from splittool.graph.graph import Graph
from splittool.graph.split_points import find_cut


def head_operations(
    graph: Graph, point: str | None, costs: Mapping[int, OperationCost]
) -> frozenset[int]:
    """The operations of a head, by the split point it ends at; None is the whole network."""
    if point is None:
        return frozenset(costs)
    names = [point] if point in graph.by_name else point.split(" + ")
    return frozenset(find_cut(graph, *names).head)


def shared(
    graph: Graph,
    costs: Mapping[int, OperationCost],
    per_gflop: float,
    heads: Sequence[tuple[str | None, float]],
) -> dict[int, float]:
    """Seconds or joules of each operation, by its index.

    An operation takes its FLOPs times `per_gflop`. Where heads were measured, what one head takes
    more than the next smaller one is shared, by FLOPs, among the operations that it adds; so the
    operations of a measured head add up to what was measured. A head that was measured to take
    less than a smaller one counts as taking the same.

    Args:
        graph: The graph of the planned model.
        costs: The `operation_costs` of that graph.
        per_gflop: What 10^9 FLOPs take where no head was measured.
        heads: Measured heads, the smallest first: the split point, or None for the whole network,
            and what it takes.
    """
    amounts = {i: (cost.flops or 0) / 1e9 * per_gflop for i, cost in costs.items()}
    done: frozenset[int] = frozenset()
    before = 0.0
    for point, amount in heads:
        part = head_operations(graph, point, costs) - done
        flops = sum(costs[i].flops or 0 for i in part)
        more = max(amount - before, 0.0)
        for i in part:
            amounts[i] = more * ((costs[i].flops or 0) / flops if flops else 1 / len(part))
        done |= part
        before += more
    return amounts
