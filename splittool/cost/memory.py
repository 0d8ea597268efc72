"""Activation memory by Model Analyzer's two definitions, in elements and in bytes.

MaxMem is the sum of all outputs: every tensor has a place of its own. MinMem is the largest live
set over the topological order: a tensor's place is free again after its last reader.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from splittool.graph.graph import Graph


@dataclass(frozen=True)
class Memory:
    """Activations of a part of a graph.

    Attributes:
        sum_elements: MaxMem.
        sum_bytes: The same in bytes, as the graph types its tensors.
        live_elements: MinMem.
        live_bytes: The same in bytes.
    """

    sum_elements: int = 0
    sum_bytes: int = 0
    live_elements: int = 0
    live_bytes: int = 0


def activation_memory(graph: Graph, part: Iterable[int]) -> Memory:
    """Memory of some operations and the inputs they read.

    Args:
        graph: The graph.
        part: Operation indices.
    """
    memory = Memory()
    for memory in running_memory(graph, part):  # noqa: B007, the last one is wanted
        pass
    return memory


def running_memory(graph: Graph, part: Iterable[int]) -> Iterator[Memory]:
    """Memory after each of some operations, in topological order.

    What an operation outside the part reads, or a result of the graph, lives to the end. What an
    operation outside the part has put out lives from the first time it is read.
    """
    unread: dict[tuple[int, int], int] = {}
    elements = size = 0
    total_elements = total_size = peak_elements = peak_size = 0
    for index in sorted(set(part)):
        operation = graph.operations[index]
        read = [source for source in operation.inputs if not graph.operations[source[0]].constant]
        written = [
            (index, port)
            for port in range(len(operation.outputs))
            if port == 0 or (index, port) in graph.consumers
        ]
        for source in dict.fromkeys([*read, *written]):
            if source not in unread:
                unread[source] = len(graph.consumers.get(source, ()))
                tensor = graph.tensor(source)
                elements, size = elements + tensor.elements, size + tensor.bytes
                total_elements += tensor.elements
                total_size += tensor.bytes
        peak_elements, peak_size = max(peak_elements, elements), max(peak_size, size)
        for source in read:
            unread[source] -= 1
        for source in dict.fromkeys([*read, *written]):
            if not unread[source]:
                tensor = graph.tensor(source)
                elements, size = elements - tensor.elements, size - tensor.bytes
        yield Memory(total_elements, total_size, peak_elements, peak_size)
