"""The graph of an ONNX file beside the one that OpenVINO makes of it: the same cut in both."""

from collections.abc import Sequence
from dataclasses import replace

import openvino as ov
from openvino.op import Constant

from splittool.errors import InputError
from splittool.graph.graph import Graph, TensorInfo, read_graph
from splittool.graph.onnx_operations import OnnxCut, OnnxOperations
from splittool.graph.split_points import INPUT, Cut, find_cut
from splittool.runtime.onnx_file import OnnxFile


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
        self._places, tensors = _named_tensors(model, self.graph)
        self.operations = OnnxOperations(file, tensors, _folded_shapes(model))

    def find_cut(self, *names: str) -> OnnxCut:
        """The cut at operations of OpenVINO's graph, in both graphs.

        Raises:
            InputError: There is no such operation, it is only a part of one of the ONNX graph, or
                the two graphs do not agree on what crosses.
        """
        cut = find_cut(self.graph, *names)
        own = self.operations.cut([self._value(name) for name in cut.at if name != INPUT])
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
        values = [order[place] for place in cut.crossing]
        return replace(self.operations.sides(own), cut=cut, values=values)

    def _value(self, name: str) -> str:
        """The ONNX value that an operation of OpenVINO's graph puts out."""
        index = self.graph.by_name[name].index
        found = [value for value, (place, _) in self._places.items() if place == index]
        found = [value for value in found if value in self.operations.live]
        if found:  # several where an operation changes nothing: the first of them
            return min(found, key=self.operations.made.__getitem__)
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
