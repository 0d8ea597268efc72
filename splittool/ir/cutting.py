"""Make the two halves of a cut, and prove that together they are the whole."""

from dataclasses import dataclass

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as opset

from splittool.ir.engine import core
from splittool.ir.graph import Graph
from splittool.ir.info import read_info, write_info
from splittool.ir.splits import Cut, require_both_sides

_F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def split(model: ov.Model, graph: Graph, cut: Cut) -> tuple[ov.Model, ov.Model]:
    """Build head and tail.

    Every crossing tensor is an output of the head and an input of the tail, in the same order and
    under the same name. Constants go to the side that uses them.

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
    return _head(model.clone(), graph, cut), _tail(model.clone(), cut)


def _head(model: ov.Model, graph: Graph, cut: Cut) -> ov.Model:
    nodes = model.get_ordered_ops()
    results = []
    for (index, port), tensor in zip(cut.crossing, cut.tensors, strict=True):
        output = nodes[index].output(port)
        output.get_tensor().set_names({tensor.name})
        results.append(opset.result(output, name=f"{tensor.name}/result"))
    used = {i for head in cut.head for i, _ in graph.operations[head].inputs}
    used |= {index for index, _ in cut.crossing}
    parameters = [nodes[op.index] for op in graph.parameters if op.index in used]
    head = ov.Model(results, parameters, f"{model.get_friendly_name()}_head")
    write_info(head, read_info(model))
    return head


def _tail(model: ov.Model, cut: Cut) -> ov.Model:
    nodes = model.get_ordered_ops()
    parameters = []
    for (index, port), tensor in zip(cut.crossing, cut.tensors, strict=True):
        output = nodes[index].output(port)
        parameter = opset.parameter(output.get_shape(), output.get_element_type(), name=tensor.name)
        for target in output.get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameter.output(0).get_tensor().set_names({tensor.name})
        parameters.append(parameter)
    tail = ov.Model(model.get_results(), parameters, f"{model.get_friendly_name()}_tail")
    write_info(tail, read_info(model))
    return tail


@dataclass(frozen=True)
class Verification:
    """How far head and tail together are from the whole.

    Attributes:
        difference: Largest absolute difference of an output value.
        output_range: Largest minus smallest output value of the whole.
        tolerance: Largest difference allowed, as a share of `output_range`.
    """

    difference: float
    output_range: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance; a NaN is not."""
        return self.difference <= self.tolerance * max(self.output_range, 1e-30)


def verify(
    head: ov.Model, tail: ov.Model, whole: ov.Model, tolerance: float, seed: int = 0
) -> Verification:
    """Run head, tail and whole on the same random input, in 32 bits on the CPU."""
    rng = np.random.default_rng(seed)
    inputs = [_random(rng, port) for port in whole.inputs]
    expected = list(core().compile_model(whole, "CPU", _F32)(inputs).values())
    by_name = dict(
        zip((p.get_node().get_friendly_name() for p in whole.inputs), inputs, strict=True)
    )
    head_inputs = [by_name[port.get_node().get_friendly_name()] for port in head.inputs]
    crossing = list(core().compile_model(head, "CPU", _F32)(head_inputs).values())
    found = list(core().compile_model(tail, "CPU", _F32)(crossing).values())
    with np.errstate(invalid="ignore"):  # infinity against infinity is NaN, and never holds
        differences = [
            np.abs(a.astype(np.float64) - b.astype(np.float64)).max()
            for a, b in zip(expected, found, strict=True)
        ]
    spread = max(float(a.max()) - float(a.min()) for a in expected)
    return Verification(float(np.max(differences)), spread, tolerance)


def _random(rng: np.random.Generator, port: ov.Output) -> NDArray[np.generic]:
    """Random values in the natural range of an input's type: pixels, or a unit normal."""
    dtype = port.get_element_type().to_dtype()
    shape = tuple(port.get_shape())
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2 if dtype == np.bool_ else 256, shape).astype(dtype)
