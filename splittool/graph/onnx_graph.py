"""The graph of an ONNX file, in the terms in which cuts are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import openvino as ov
from openvino.op import Constant

from splittool.errors import InputError
from splittool.graph.graph import Graph, Operation, TensorInfo, read_graph
from splittool.graph.split_points import INPUT, Cut, find_cut
from splittool.runtime.onnx_file import Node, OnnxFile

Tensors = Mapping[str, TensorInfo]

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
    """One cut in both graphs.

    Attributes:
        cut: The cut of OpenVINO's graph.
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


class OnnxReading:
    """An ONNX file beside the graph that OpenVINO made of it.

    Args:
        file: The file.
        model: The same as OpenVINO's graph, with fixed shapes.
        graph: `read_graph(model)`.
    """

    def __init__(self, file: OnnxFile, model: ov.Model, graph: Graph | None = None) -> None:
        self.file, self.model = file, model
        self.graph = graph or read_graph(model)
        self._places, self._tensors = _named_tensors(model, self.graph)
        self._known = self._fixed_shapes()
        self._nodes = _live(file, self._known)
        self.operations = self._operations()

    def find_cut(self, *names: str) -> OnnxCut:
        """The cut at operations of OpenVINO's graph, in both graphs.

        Raises:
            InputError: There is no such operation, it is only a part of one of the ONNX graph, or
                the two graphs do not agree on what crosses.
        """
        cut = find_cut(self.graph, *names)
        own = find_cut(self.operations, *[self._value(name) for name in cut.at if name != INPUT])
        values = [tensor.name for tensor in own.tensors]
        places = self._crossing(cut, values)
        if set(places) != set(cut.crossing):
            # A step of an operation that OpenVINO has divided may be on the other side.
            more = [self.graph.operations[place].name for place, _ in places]
            working = [name for name in more if name in self.graph.by_name]
            cut = find_cut(self.graph, *cut.at, *working)
        if set(places) != set(cut.crossing) or len(set(places)) != len(values):
            theirs = ", ".join(tensor.name for tensor in cut.tensors)
            raise InputError(
                f"{self.file.path}: a cut at {cut.name!r} would send {', '.join(values)} of the"
                f" ONNX graph, and {theirs} of OpenVINO's; choose another split point"
            )
        order = dict(zip(places, values, strict=True))
        return OnnxCut(
            cut,
            self._side(own.head, values),
            self._side(own.tail, list(self.file.graph.outputs)),
            [order[place] for place in cut.crossing],
            self._known,
        )

    def _value(self, name: str) -> str:
        """The ONNX value that an operation of OpenVINO's graph puts out."""
        index = self.graph.by_name[name].index
        made = {output for node in self._nodes for output in node.outputs}
        found = [value for value, (place, _) in self._places.items() if place == index]
        found = [value for value in found if value in made]
        if found:  # several where an operation changes nothing: the first of them
            return self.operations.operations[min(self._producer[each] for each in found)].name
        later = self._named_reader(index)
        hint = f"cut at {later!r}" if later else "choose another split point"
        raise InputError(
            f"{name!r} is only a part of an operation of {self.file.path}; {hint}, or write"
            " OpenVINO IR"
        )

    def _named_reader(self, index: int) -> str | None:
        """The next operation in OpenVINO's graph that ends one of the ONNX graph."""
        named = {place for place, _ in self._places.values()}
        waiting, seen = [index], {index}
        while waiting:
            place = waiting.pop(0)
            for port in range(len(self.graph.operations[place].outputs)):
                for reader in self.graph.consumers.get((place, port), ()):
                    if reader in named and self.graph.operations[reader].works:
                        return self.graph.operations[reader].name
                    if reader not in seen:
                        seen.add(reader)
                        waiting.append(reader)
        return None

    def _crossing(self, cut: Cut, values: Sequence[str]) -> list[tuple[int, int]]:
        missing = [value for value in values if value not in self._places]
        if missing:
            raise InputError(
                f"{self.file.path}: a cut at {cut.name!r} would send {missing[0]!r}, which"
                " OpenVINO's graph does not have; choose another split point"
            )
        return [self._places[value] for value in values]

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
            if self.operations.operations[self._index_of[place]].constant:
                chosen.add(place)
                waiting += self._nodes[place].inputs
        return [self._nodes[place] for place in sorted(chosen)]

    def _fixed_shapes(self) -> dict[str, tuple[int, ...]]:
        """What operations that ask for a shape find, by the name of their output."""
        found = _folded_shapes(self.model)
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
        """The ONNX graph as operations, each named after the first value that it puts out."""
        graph = self.file.graph
        made: dict[str, tuple[int, int]] = {}
        found: list[Operation] = []

        def add(kind: str, outputs: Sequence[str], inputs: Sequence[str], constant: bool) -> None:
            index = len(found)
            sources = tuple(made[name] for name in inputs if name in made)
            tensors = tuple(self._tensor(name) for name in outputs)
            name = next((name for name in outputs if name), kind)
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
            is_known = node.outputs[0] in self._known
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
        self._producer = {name: place for name, (place, _) in made.items()}
        return Graph(tuple(found))

    def _tensor(self, value: str) -> TensorInfo:
        known = self._tensors.get(value)
        if known is None:
            return TensorInfo(value, (), "unknown", 0)  # what crosses is looked up again
        return TensorInfo(value, known.shape, known.type, known.bits)


def _named_tensors(
    model: ov.Model, graph: Graph
) -> tuple[dict[str, tuple[int, int]], dict[str, TensorInfo]]:
    """The place in OpenVINO's graph of every tensor that has names, by each of them."""
    places: dict[str, tuple[int, int]] = {}
    for index, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() in ("Constant", "Result"):
            continue
        for port in node.outputs():
            for name in port.get_names():
                places[name] = (index, port.get_index())
    return places, {name: graph.tensor(place) for name, place in places.items()}


def _folded_shapes(model: ov.Model) -> dict[str, tuple[int, ...]]:
    """The shapes that `fold_shapes` has made constants of, by the name of the value they are."""
    return {
        name: tuple(int(size) for size in node.data.reshape(-1))
        for node in model.get_ordered_ops()
        if isinstance(node, Constant) and node.get_element_type() in (ov.Type.i64, ov.Type.i32)
        for name in node.output(0).get_names()
    }


def _live(file: OnnxFile, known: Mapping[str, object]) -> list[Node]:
    """The nodes that an output depends on, in the file's order; known shapes depend on nothing."""
    wanted = set(file.graph.outputs)
    found = []
    for node in reversed(file.graph.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(() if node.outputs[0] in known else node.inputs)
            found.append(node)
    return found[::-1]
