"""The graph of an ONNX file in the terms in which cuts are found, from the file alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from splittool.errors import InputError
from splittool.graph.graph import Graph, Operation, TensorInfo
from splittool.graph.split_points import INPUT, Cut, find_cut
from splittool.runtime.onnx_file import Node, OnnxFile

Tensors = Mapping[str, TensorInfo]
Sizes = Mapping[str, tuple[int, ...]]

_RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}


@dataclass(frozen=True)
class OnnxCut:
    """One cut of an ONNX file.

    Attributes:
        cut: The cut, as a division of the graph that it was asked of.
        head: Operations of the ONNX graph that are the head, in the file's order.
        tail: Those that are the tail; what is computed from constants is in both if both use it.
        values: Names of the crossing tensors in the ONNX file, in the order of `cut.crossing`.
        known: Shapes of values that are asked for where the value itself is not, by the name of
            what asks.
    """

    cut: Cut
    head: list[Node]
    tail: list[Node]
    values: list[str]
    known: dict[str, tuple[int, ...]]


class OnnxOperations:
    """The operations of an ONNX file, each named after the first value that it puts out.

    Args:
        file: The file.
        tensors: Types and shapes of its values, as far as they are known.
        folded: Shapes that are known already, by the value that holds them.

    Attributes:
        file: The file.
        graph: Its graph.
        known: What operations that ask for a shape find, by the name of their output.
        made: The place in `graph` of the operation that puts out each value.
        live: Names of the values that operations put out which an output depends on.

    Raises:
        InputError: A value is read before it is computed.
    """

    def __init__(self, file: OnnxFile, tensors: Tensors, folded: Sizes | None = None) -> None:
        self.file, self._tensors = file, tensors
        self.known = self._fixed_shapes(folded or {})
        self._nodes = _live(file, self.known)
        self.live = {output for node in self._nodes for output in node.outputs}
        self.graph = self._operations()

    def find_cut(self, *names: str) -> OnnxCut:
        """The cut after some operations, each given by its name or that of a value it puts out.

        Raises:
            InputError: There is no such operation, or the graph cannot be cut there.
        """
        named = {node.name: node.outputs[0] for node in self._nodes if node.name}
        values = [named.get(name, name) for name in names]
        return self.sides(self.cut(values))

    def cut(self, values: Sequence[str]) -> Cut:
        """The cut after the operations that put out some values; "input" is before all.

        Raises:
            InputError: There is no such value, or the graph cannot be cut there.
        """
        operations = self.graph.operations
        made = [operations[self.made[v]].name if v in self.made else v for v in values]
        return find_cut(self.graph, *made)

    def sides(self, own: Cut) -> OnnxCut:
        """The operations of both sides of a cut of this graph."""
        values = [tensor.name for tensor in own.tensors]
        head = self._side(own.head, values)
        tail = self._side(own.tail, list(self.file.graph.outputs))
        return OnnxCut(own, head, tail, values, self.known)

    def _side(self, side: Sequence[int], wanted: Sequence[str]) -> list[Node]:
        """The nodes of one side in the file's order, and the constant ones that these need."""
        chosen = {self._node_of[index] for index in side}
        made = {value: place for place, node in enumerate(self._nodes) for value in node.outputs}
        waiting = [name for place in chosen for name in self._nodes[place].inputs]
        waiting += wanted
        while waiting:
            place = made.get(waiting.pop())
            if place is None or place in chosen:
                continue
            if self.graph.operations[self._index_of[place]].constant:
                chosen.add(place)
                waiting += self._nodes[place].inputs
        return [self._nodes[place] for place in sorted(chosen)]

    def _fixed_shapes(self, found: Sizes) -> dict[str, tuple[int, ...]]:
        """What operations that ask for a shape find, by the name of their output."""
        known = {}
        for node in self.file.graph.nodes:
            if node.type != "Shape" or node.domain:
                continue
            tensor = self._tensors.get(node.inputs[0])
            if tensor is not None and tensor.shape is not None:
                first = node.numbers.get("start", 0)
                end = node.numbers.get("end", len(tensor.shape))
                known[node.outputs[0]] = tensor.shape[first:end]
            elif node.outputs[0] in found:
                known[node.outputs[0]] = found[node.outputs[0]]
        return known

    def _operations(self) -> Graph:
        graph = self.file.graph
        made: dict[str, tuple[int, int]] = {}
        found: list[Operation] = []

        def add(kind: str, outputs: Sequence[str], inputs: Sequence[str], constant: bool) -> None:
            index = len(found)
            sources = tuple(made[name] for name in inputs if name in made)
            tensors = tuple(self._tensor(name) for name in outputs)
            name = next((name for name in outputs if name), kind)
            if name == INPUT and kind != "Parameter":  # which is taken by the cut before all
                name = f"{name}/{kind}"
            found.append(Operation(index, name, kind, sources, tensors, {}, constant))
            made.update({name: (index, port) for port, name in enumerate(outputs) if name})

        for name in graph.initializers:
            add("Constant", [name], [], True)
        for name in graph.inputs:
            if name not in graph.initializers:
                add("Parameter", [name], [], False)
        self._node_of: dict[int, int] = {}
        self._index_of: dict[int, int] = {}
        for place, node in enumerate(self._nodes):
            is_known = node.outputs[0] in self.known
            unknown = [name for name in node.inputs if name and name not in made]
            if unknown and not is_known:
                raise InputError(
                    f"{self.file.path} reads {unknown[0]!r} before it is computed; export it again"
                )
            self._node_of[len(found)], self._index_of[place] = place, len(found)
            read = [] if is_known else [name for name in node.inputs if name]
            constant = node.type not in _RANDOM and all(found[made[n][0]].constant for n in read)
            constant &= bool(read) or is_known or node.type == "Constant"
            add(node.type, node.outputs, read, constant)
        for name in graph.outputs:
            add("Result", [], [name], False)
        self.made = {name: place for name, (place, _) in made.items()}
        return Graph(tuple(found))

    def _tensor(self, value: str) -> TensorInfo:
        known = self._tensors.get(value)
        if known is None:
            return TensorInfo(value, (), "unknown", 0)  # what crosses is looked up again
        return TensorInfo(value, known.shape, known.type, known.bits)


def _live(file: OnnxFile, known: Mapping[str, object]) -> list[Node]:
    """The nodes that an output depends on, in the file's order; known shapes depend on nothing."""
    wanted = set(file.graph.outputs)
    found = []
    for node in reversed(file.graph.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(() if node.outputs[0] in known else node.inputs)
            found.append(node)
    return found[::-1]
