"""Where a graph can be cut, and what crosses each cut.

The head of a cut at X is X and all its ancestors. Every tensor that an operation of the head puts
out and the tail reads must be sent: the output of X, skip connections, and the input itself where
the tail still needs it.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from splittool.errors import InputError
from splittool.ir.graph import Graph, Operation, TensorInfo
from splittool.ir.info import ModelInfo

INPUT = "input"


@dataclass(frozen=True)
class Cut:
    """A division of a graph's operations.

    Attributes:
        name: The split point.
        head: Indices of the operations that run on the device, in topological order.
        tail: Indices of those that run in the cloud.
        crossing: (operation, port) of every tensor to send, in topological order.
        tensors: What they are, in the same order.
    """

    name: str
    head: tuple[int, ...]
    tail: tuple[int, ...]
    crossing: tuple[tuple[int, int], ...]
    tensors: tuple[TensorInfo, ...]

    @property
    def elements(self) -> int:
        """Values sent per frame."""
        return sum(tensor.elements for tensor in self.tensors)


def find_cut(graph: Graph, name: str) -> Cut:
    """The cut at an operation, or at "input" where everything runs in the cloud.

    Raises:
        InputError: There is no operation of this name.
    """
    edge = {op.index for op in graph.parameters}
    if name in graph.by_name:
        edge |= _ancestors(graph, graph.by_name[name])
    elif name != INPUT:
        raise InputError(_unknown(graph, name))
    moving = [op for op in graph.operations if not op.constant]
    sides = {op.index: op.index in edge for op in moving}
    crossing = tuple(
        source
        for source in sorted(graph.consumers)
        if sides.get(source[0]) and not all(sides[c] for c in graph.consumers[source])
    )
    work = [op.index for op in moving if op.type not in ("Parameter", "Result")]
    return Cut(
        name=name,
        head=tuple(i for i in work if sides[i]),
        tail=tuple(i for i in work if not sides[i]),
        crossing=crossing,
        tensors=tuple(graph.tensor(source) for source in crossing),
    )


def require_both_sides(cut: Cut) -> None:
    """Refuse a cut that leaves nothing to do on one side.

    Raises:
        InputError: Head or tail has no operation.
    """
    if not cut.head:
        raise InputError(
            f"a cut at {cut.name!r} leaves the head empty: the whole network runs in the cloud;"
            " send the image, or choose a later split point"
        )
    if not cut.tail:
        raise InputError(
            f"a cut at {cut.name!r} leaves the tail empty: the whole network runs on the device;"
            " choose an earlier split point"
        )


def _ancestors(graph: Graph, operation: Operation) -> set[int]:
    found = {operation.index}
    waiting = [operation]
    while waiting:
        for source, _ in waiting.pop().inputs:
            if source not in found and not graph.operations[source].constant:
                found.add(source)
                waiting.append(graph.operations[source])
    return found


def _unknown(graph: Graph, name: str) -> str:
    names = [INPUT, *graph.by_name]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no split point {name!r}; {hint}list them with: splittool cut MODEL --list"


def named_points(graph: Graph, info: ModelInfo) -> list[str]:
    """The split points to show: the model's own, or else every operation but the last."""
    known = [name for name in info.split_points if name in graph.by_name]
    return [INPUT, *(known or list(graph.by_name)[:-1])]
