"""The two halves of a cut, as models of their own."""

from collections.abc import Sequence
from typing import NamedTuple

import openvino as ov
from openvino import opset13 as opset

from splittool.graph.graph import Graph, Operation
from splittool.graph.split_points import Cut, require_both_sides
from splittool.runtime.info import read_info, write_info


class Halves(NamedTuple):
    """The two sides of a cut: what the head puts out, the tail takes, in the same order."""

    head: ov.Model
    tail: ov.Model


def make_halves(model: ov.Model, graph: Graph, cut: Cut) -> Halves:
    """Build head and tail.

    Every crossing tensor is an output of the head and an input of the tail, in the same order and
    under the same name. Constants go to the side that uses them; what both use, they share.

    Args:
        model: The whole; it is not changed.
        graph: `read_graph(model)`.
        cut: Where to cut.

    Returns:
        Head and tail.

    Raises:
        InputError: One side would be empty.
    """
    require_both_sides(cut)
    copy = model.clone()
    nodes = copy.get_ordered_ops()
    # The tail first: then nothing but results will read what the head puts out.
    tail = _tail(copy, nodes, graph, cut)
    return Halves(_head(copy, nodes, graph, cut), tail)


def _head(model: ov.Model, nodes: list[ov.Node], graph: Graph, cut: Cut) -> ov.Model:
    results = []
    for (index, port), tensor in zip(cut.crossing, cut.tensors, strict=True):
        output = nodes[index].output(port)
        output.get_tensor().set_names({tensor.name})
        results.append(opset.result(output, name=f"{tensor.name}/result"))
    used = {i for head in cut.head for i, _ in graph.operations[head].inputs}
    used |= {index for index, _ in cut.crossing}
    parameters = [nodes[op.index] for op in graph.parameters if op.index in used]
    sinks = [nodes[writer.index] for writer in _writers(graph, cut.head)]
    head = ov.Model(results, sinks, parameters, f"{model.get_friendly_name()}_head")
    write_info(head, read_info(model))
    return head


def _tail(model: ov.Model, nodes: list[ov.Node], graph: Graph, cut: Cut) -> ov.Model:
    stay = {nodes[index] for index in cut.head}
    stay |= {nodes[writer.index] for writer in _writers(graph, cut.head)}
    parameters = []
    for (index, port), tensor in zip(cut.crossing, cut.tensors, strict=True):
        output = nodes[index].output(port)
        parameter = opset.parameter(output.get_shape(), output.get_element_type(), name=tensor.name)
        for target in output.get_target_inputs():
            if target.get_node() not in stay:
                target.replace_source_output(parameter.output(0))
        parameter.output(0).get_tensor().set_names({tensor.name})
        parameters.append(parameter)
    sinks = [nodes[writer.index] for writer in _writers(graph, cut.tail)]
    tail = ov.Model(model.get_results(), sinks, parameters, f"{model.get_friendly_name()}_tail")
    write_info(tail, read_info(model))
    return tail


def _writers(graph: Graph, side: Sequence[int]) -> list[Operation]:
    """The writers of the states that one side reads; no cut puts the two apart."""
    states = {graph.operations[index].variable for index in side}
    return [writer for writer in graph.writers if writer.variable in states]
