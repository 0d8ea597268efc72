"""The cut of least latency or energy among all closed cuts of a graph, as a minimum cut.

A closed cut has a head that holds every ancestor of its operations. There are as many as there are
ways through the branches of a graph, far more than places in topological order, and yet the best
one is a minimum s-t cut (project selection: Picard, Maximal closure of a graph and applications to
combinatorial problems, Management Science 22, 1976): the source's side is the head.

* An operation costs one amount if it is in the head, else another one: its time on the edge or in
  the cloud; or the energy of computing it or of waiting for it.
* A tensor costs its amount once if its producer is in the head and any reader in the tail: an
  auxiliary node between the producer and the readers pays.
* An operation in the head needs its producers there: these arcs have no finite capacity.
* Neither do arcs between the users of a state, which stay together, or of tensors of open size,
  which cannot be sent.

The round trip, in seconds or in joules of waiting, is the same for every cut that sends something,
so it is left to the caller.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from splittool.graph.graph import Graph, Operation
from splittool.graph.split_points import Cut, Source, ends, find_cut

# The algorithms find paths with room left by comparing with zero, which rounding errors of floats
# never reach; integers are exact, and picoseconds and picojoules finer than any instrument.
_PICO = 1e12

_HEAD, _TAIL = "head", "tail"


@dataclass(frozen=True)
class CutCosts:
    """What operations and tensors cost, in seconds or in joules; a cut costs the sum.

    Attributes:
        edge: Of each operation that data flows through, by its index, if the device computes it.
        cloud: Of the same operations if the cloud computes them.
        link: Of sending each tensor, by (operation, port).
    """

    edge: Mapping[int, float]
    cloud: Mapping[int, float]
    link: Mapping[Source, float]


def best_cut(graph: Graph, costs: CutCosts) -> Cut | None:
    """The closed cut of least head + link + tail; of equal ones, the one of fewest operations.

    The outputs are wanted in the cloud, so a head of everything sends them. `at` of the cut names
    the operations that make it, one `--at` each.

    Returns:
        The cut, or None if there is no legal one: a state or a tensor of open size forbids all.
    """
    import networkx as nx
    from networkx.algorithms.flow import boykov_kolmogorov

    # Boykov and Kolmogorov's is the fastest of networkx's algorithms, or as fast as any: 0.1 to
    # 1.7 s on graphs of 1,000 operations with skips, branches or 20 readers each (Dinitz' to 7 s).
    arcs = _merge(_arcs(graph, costs))
    # More than all finite arcs together: a cut of less has no arc that must not be cut.
    forbidden = 1 + sum(capacity for capacity in arcs.values() if capacity is not None)
    network = nx.DiGraph()
    network.add_nodes_from((_HEAD, _TAIL))
    for (start, end), capacity in arcs.items():
        network.add_edge(start, end, capacity=forbidden if capacity is None else capacity)
    cost, (head, _) = nx.minimum_cut(network, _HEAD, _TAIL, flow_func=boykov_kolmogorov)
    if cost >= forbidden:
        return None
    return find_cut(graph, *ends(graph, head.intersection(costs.edge)))


# Start, end, and what it costs to have these in head and tail; None where that is forbidden.
_Arc = tuple[Any, Any, int | None]


def _merge(arcs: Iterable[_Arc]) -> dict[tuple[Any, Any], int | None]:
    """Arcs between the same nodes as one, without loops and those that cost nothing."""
    found: dict[tuple[Any, Any], int | None] = {}
    for start, end, capacity in arcs:
        if start == end or capacity == 0:
            continue
        before = found.get((start, end), 0)
        both = None if before is None or capacity is None else before + capacity
        found[start, end] = both
    return found


def _arcs(graph: Graph, costs: CutCosts) -> Iterator[_Arc]:
    operations = list(graph.by_name.values())
    nodes: dict[int, Any] = {op.index: op.index for op in [*operations, *graph.writers]}
    nodes |= {op.index: _HEAD for op in graph.parameters}
    nodes |= {op.index: _TAIL for op in graph.operations if op.type == "Result"}
    scale = len(operations) + 1  # room for the tie-break of one for each operation in the head
    for op in operations:
        more = scale * (_whole(costs.edge[op.index]) - _whole(costs.cloud[op.index])) + 1
        # Only the difference decides; an arc on one side keeps the network small.
        yield (op.index, _TAIL, more) if more > 0 else (_HEAD, op.index, -more)
        yield from ((op.index, nodes[u], None) for u, _ in op.inputs if u in nodes)
    for source, readers in graph.consumers.items():
        if source[0] in nodes:
            open_size = graph.tensor(source).shape is None
            cost = None if open_size else scale * _whole(costs.link[source])
            yield from _sending(nodes[source[0]], source, [nodes[r] for r in readers], cost)
    for writer in graph.writers:
        yield from _writing(writer, nodes)
    for first, *others in graph.variables.values():
        for other in others:
            yield from ((first, other, None), (other, first, None))


def _sending(producer: Any, source: Source, readers: list[Any], cost: int | None) -> Iterator[_Arc]:
    if len(readers) == 1:
        yield producer, readers[0], cost
        return
    yield producer, source, cost
    yield from ((source, reader, None) for reader in readers)


def _writing(writer: Operation, nodes: Mapping[int, Any]) -> Iterator[_Arc]:
    """A state is written where its value is computed; a constant value, on the device."""
    sources = [nodes[u] for u, _ in writer.inputs if u in nodes] or [_HEAD]
    for source in sources:
        yield from ((source, writer.index, None), (writer.index, source, None))


def _whole(amount: float) -> int:
    return round(amount * _PICO)
