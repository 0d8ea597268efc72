"""Where a graph can be cut, and what crosses each cut.

The head of a cut at X is X and all its ancestors; of a cut at several operations, all of these and
all their ancestors. Every tensor that an operation of the head puts out and the tail reads must be
sent: the output of X, skip connections, and the input itself where the tail still needs it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from splittool.errors import InputError
from splittool.graph.graph import Graph, Operation, TensorInfo

INPUT = "input"

Source = tuple[int, int]


@dataclass(frozen=True)
class Cut:
    """A division of a graph's operations.

    Attributes:
        at: The names of the operations to cut after; "input" where everything is the tail.
        head: Indices of the operations that run on the device, in topological order.
        tail: Indices of those that run in the cloud.
        crossing: (operation, port) of every tensor to send, in topological order.
        tensors: What they are, in the same order.
    """

    at: tuple[str, ...]
    head: tuple[int, ...]
    tail: tuple[int, ...]
    crossing: tuple[Source, ...]
    tensors: tuple[TensorInfo, ...]

    @property
    def name(self) -> str:
        """The name of the split point, or several names with " + " between them."""
        return " + ".join(self.at)

    @property
    def elements(self) -> int:
        """Values sent per frame."""
        return sum(tensor.elements for tensor in self.tensors)


def find_cut(graph: Graph, *names: str) -> Cut:
    """The cut at one or several operations, or at "input" where everything runs in the cloud.

    Raises:
        InputError: There is no operation of this name, or the graph cannot be cut there.
    """
    points = [name for name in names if name != INPUT]
    unknown = [name for name in points if name not in graph.by_name]
    if unknown:
        raise InputError(_unknown(graph, unknown[0]))
    inside = _ancestors(graph, [graph.by_name[name].index for name in points])
    inside |= {op.index for op in graph.parameters}
    inside |= {writer.index for writer in graph.writers if _feeds(graph, writer, inside)}
    crossing = tuple(
        source
        for source in sorted(graph.consumers)
        if source[0] in inside and not inside.issuperset(graph.consumers[source])
    )
    at = tuple(dict.fromkeys(points)) or (INPUT,)
    reason = refusal(graph, inside, crossing)
    if reason:
        raise InputError(f"the graph cannot be cut at {' + '.join(at)!r}: {reason}")
    return Cut(
        at=at,
        head=tuple(op.index for op in graph.operations if op.works and op.index in inside),
        tail=tuple(op.index for op in graph.operations if op.works and op.index not in inside),
        crossing=crossing,
        tensors=tuple(graph.tensor(source) for source in crossing),
    )


@dataclass(frozen=True)
class SplitPoint:
    """A split point in topological order: all operations up to one of them are the head.

    Attributes:
        operation: Index of the last operation of the head.
        ends: Operations of the head that no other one in it reads; cutting after all of these
            gives the same cut.
        crossing: (operation, port) of every tensor to send, in topological order.
        refusal: Why the graph cannot be cut here, or None.
    """

    operation: int
    ends: tuple[int, ...]
    crossing: tuple[Source, ...]
    refusal: str | None


def split_points(graph: Graph) -> Iterator[SplitPoint]:
    """Every split point but the last, in one pass that costs operations x tensors alive."""
    work = [op.index for op in graph.operations if op.works]
    unread = {source: len(readers) for source, readers in graph.consumers.items()}
    alive = {(op.index, 0) for op in graph.parameters if (op.index, 0) in unread}
    inside = {op.index for op in graph.parameters}
    writers = list(graph.writers)
    ends: dict[int, None] = {}
    for index in work[:-1]:
        operation = graph.operations[index]
        inside.add(index)
        alive |= {(index, p) for p in range(len(operation.outputs)) if (index, p) in unread}
        ready = [writer for writer in writers if _feeds(graph, writer, inside)]
        writers = [writer for writer in writers if writer not in ready]
        inside.update(writer.index for writer in ready)
        for reader in (operation, *ready):
            for source in reader.inputs:
                unread[source] -= 1
                if not unread[source]:
                    alive.discard(source)
        for source in operation.inputs:
            ends.pop(source[0], None)
        ends[index] = None
        crossing = tuple(sorted(alive))
        yield SplitPoint(index, tuple(ends), crossing, refusal(graph, inside, crossing))


def refusal(graph: Graph, inside: set[int], crossing: Iterable[Source]) -> str | None:
    """Why a head of these operations cannot be separated from the rest, or None."""
    for name, users in graph.variables.items():
        if len({user in inside for user in users}) > 1:
            return (
                f"the state {name!r} would be read on one side and written on the other;"
                " cut before it is read or after it is written"
            )
    for source in crossing:
        if graph.tensor(source).shape is None:
            return (
                f"the size of {graph.tensor(source).name!r} depends on the data,"
                " so nobody can say what it costs to send; choose an earlier split point"
            )
    return None


def ends(graph: Graph, head: Iterable[int]) -> list[str]:
    """The operations of a closed head that no other one in it reads: a cut at these has this head.

    Args:
        graph: The graph.
        head: Indices of operations that data flows through, with all their ancestors.
    """
    inside = set(head)
    read = {source for index in inside for source, _ in graph.operations[index].inputs}
    return [graph.operations[index].name for index in sorted(inside - read)] or [INPUT]


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


def _ancestors(graph: Graph, indices: Sequence[int]) -> set[int]:
    found = set(indices)
    waiting = list(indices)
    while waiting:
        for source, _ in graph.operations[waiting.pop()].inputs:
            if source not in found and not graph.operations[source].constant:
                found.add(source)
                waiting.append(source)
    return found


def _feeds(graph: Graph, writer: Operation, inside: set[int]) -> bool:
    """Whether all that a writer of state reads is inside."""
    return all(source in inside or graph.operations[source].constant for source, _ in writer.inputs)


def _unknown(graph: Graph, name: str) -> str:
    names = [INPUT, *graph.by_name]
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no split point {name!r}; {hint}list them with: splittool cut MODEL --list"
