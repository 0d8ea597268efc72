"""The two halves of a cut, and the proof that together they compute what the whole network does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as opset

from splittool.graph.graph import Graph, Operation
from splittool.graph.split_points import Cut, require_both_sides
from splittool.runtime.ir import ModelInfo, core, read_info, write_info

_F32 = {"INFERENCE_PRECISION_HINT": "f32"}

Array = NDArray[np.generic]
Inputs = dict[str, Array]


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
    read = {nodes[op.index] for op in graph.parameters if op.index in used}
    # In the network's order, which whoever calls by position knows; the graph's is topological.
    parameters = [node for node in model.get_parameters() if node in read]
    sinks = [nodes[writer.index] for writer in _writers(graph, cut.head)]
    head = ov.Model(results, sinks, parameters, f"{model.get_friendly_name()}_head")
    write_info(head, _info(model))
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
    write_info(tail, _info(model))
    return tail


def _info(model: ov.Model) -> ModelInfo:
    """What a half says about itself; the codec's model is a file of its own."""
    return msgspec.structs.replace(read_info(model), codec_model="")


def _writers(graph: Graph, side: Sequence[int]) -> list[Operation]:
    """The writers of the states that one side reads; no cut puts the two apart."""
    states = {graph.operations[index].variable for index in side}
    return [writer for writer in graph.writers if writer.variable in states]


@dataclass(frozen=True)
class Verification:
    """How far head and tail together are from the whole.

    Attributes:
        difference: Largest absolute difference of an output value.
        output_range: Largest minus smallest value, in the whole, of the output that differs most;
            its largest value where all are the same.
        tolerance: Largest difference allowed, as a share of `output_range`.
        resolution: Difference of neighbouring numbers of the output's type at its largest value: no
            computation can be nearer than that.
    """

    difference: float
    output_range: float
    tolerance: float
    resolution: float = 0.0

    @property
    def share(self) -> float:
        """The difference as a share of the output's range."""
        return self.difference / max(self.output_range, 1e-30)

    @property
    def allowed(self) -> float:
        """Largest difference allowed."""
        return max(self.tolerance * max(self.output_range, 1e-30), self.resolution)

    @property
    def holds(self) -> bool:
        """Whether the difference is allowed; a NaN is not."""
        return self.difference <= self.allowed


class Verifier:
    """What the whole puts out for one input, for its cuts to be held against.

    Args:
        inputs: The whole's inputs, by name.
        outputs: What the whole makes of them.
    """

    def __init__(self, inputs: Inputs, outputs: Sequence[Array]) -> None:
        self._inputs, self._outputs = inputs, outputs

    @staticmethod
    def of(whole: ov.Model, seed: int = 0) -> "Verifier":
        """Run the whole once, on a random input, in 32 bits on the CPU."""
        inputs = random_input(whole, seed)
        return Verifier(inputs, run_in_f32(whole, list(inputs.values())))

    def verify(self, halves: Halves, tolerance: float) -> Verification:
        """Run head and tail on the same input, and compare with what the whole put out.

        Args:
            halves: The two sides of a cut of the whole.
            tolerance: Largest difference allowed, as a share of the output's range.
        """
        head, tail = halves
        return self.compare(
            run_in_f32(tail, run_in_f32(head, [self._inputs[_name(p)] for p in head.inputs])),
            tolerance,
        )

    def compare(self, found: Sequence[Array], tolerance: float) -> Verification:
        """Hold outputs against those of the whole; the output that differs most decides."""
        pairs = zip(self._outputs, found, strict=True)
        proofs = [_compare(whole, both, tolerance) for whole, both in pairs]
        # A NaN is the worst there is, and `max` alone would not find it.
        return max(proofs, key=lambda proof: (np.isnan(proof.difference), _excess(proof)))


def run_in_f32(model: ov.Model, inputs: Sequence[Array]) -> list[Array]:
    """The outputs of a model on the CPU, computed in 32 bits."""
    results = core().compile_model(model, "CPU", _F32)(list(inputs))
    return [np.array(values) for values in results.values()]


def _name(port: ov.Output) -> str:
    name: str = port.get_node().get_friendly_name()
    return name


def _excess(proof: Verification) -> float:
    return proof.difference / max(proof.allowed, 1e-300)


def _compare(whole: Array, both: Array, tolerance: float) -> Verification:
    expected, found = whole.astype(np.float64), both.astype(np.float64)
    if expected.shape != found.shape:  # sizes may depend on the data
        return Verification(float("inf"), 0.0, tolerance)
    if not expected.size:
        return Verification(0.0, 0.0, tolerance)
    finite = expected[np.isfinite(expected)]
    largest = float(np.abs(finite).max()) if finite.size else 0.0
    spread = float(finite.max() - finite.min()) if finite.size else 0.0
    real = np.issubdtype(whole.dtype, np.floating)
    resolution = largest * float(np.finfo(str(whole.dtype)).eps) if real else 0.0
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        differences = np.where(expected == found, 0.0, np.abs(expected - found))
    return Verification(float(np.max(differences)), spread or largest, tolerance, resolution)


def random_input(model: ov.Model, seed: int = 0) -> Inputs:
    """Random values for every input of a model, by the input's name.

    They lie in the natural range of the input's type: pixels, flags, or a unit normal. Wide
    integers are indices or lengths more often than pixels, and 0 and 1 are valid ones.
    """
    rng = np.random.default_rng(seed)
    return {_name(port): _random(rng, port) for port in model.inputs}


def _random(rng: np.random.Generator, port: ov.Output) -> Array:
    dtype = port.get_element_type().to_dtype()
    shape = tuple(port.get_shape())
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 256 if dtype == np.uint8 else 2, shape).astype(dtype)
