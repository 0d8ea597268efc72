"""Activation memory by Model Analyzer's two definitions, in elements and in bytes.

MaxMem is the sum of all outputs: every tensor has a place of its own. MinMem is the largest live
set over the topological order: a tensor's place is free again after its last reader.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from splittool.ir.graph import Graph


@dataclass(frozen=True)
class Memory:
    """Activations of a part of a graph.

    Attributes:
        sum_elements: MaxMem.
        sum_bytes: The same in bytes, as the graph types its tensors.
        live_elements: MinMem.
        live_bytes: The same in bytes.
    """

    sum_elements: int
    sum_bytes: int
    live_elements: int
    live_bytes: int


def activation_memory(graph: Graph, part: Iterable[int]) -> Memory:
    """Memory of some operations and the inputs they read.

    Args:
        graph: The graph.
        part: Operation indices; their inputs from outside are live from the start.
    """
    indices = sorted(set(part))
    inside = set(indices)
    last_reader: dict[tuple[int, int], int] = {}
    kept: set[tuple[int, int]] = set()
    for index in indices:
        for source in graph.operations[index].inputs:
            if not graph.operations[source[0]].constant:
                last_reader[source] = index
        for port in range(len(graph.operations[index].outputs)):
            readers = graph.consumers.get((index, port), [])
            if any(reader not in inside for reader in readers):
                kept.add((index, port))  # sent, or the result: lives to the end
    outside = [source for source in last_reader if source[0] not in inside]
    return _simulate(graph, indices, last_reader, kept, outside)


def _simulate(
    graph: Graph,
    indices: list[int],
    last_reader: dict[tuple[int, int], int],
    kept: set[tuple[int, int]],
    outside: list[tuple[int, int]],
) -> Memory:
    def size(source: tuple[int, int]) -> tuple[int, int]:
        tensor = graph.tensor(source)
        return tensor.elements, tensor.bytes

    live_elements = sum(size(source)[0] for source in outside)
    live_bytes = sum(size(source)[1] for source in outside)
    total_elements, total_bytes = live_elements, live_bytes
    peak_elements, peak_bytes = live_elements, live_bytes
    for index in indices:
        read = graph.consumers
        written = [(index, p) for p in range(len(graph.operations[index].outputs))]
        for source in (w for w in written if w in read or w[1] == 0):
            elements, size_bytes = size(source)
            live_elements += elements
            live_bytes += size_bytes
            total_elements += elements
            total_bytes += size_bytes
        peak_elements = max(peak_elements, live_elements)
        peak_bytes = max(peak_bytes, live_bytes)
        done = {s for s in graph.operations[index].inputs if last_reader.get(s) == index}
        for source in done - kept:
            live_elements -= size(source)[0]
            live_bytes -= size(source)[1]
    return Memory(total_elements, total_bytes, peak_elements, peak_bytes)
