"""A model's operations as plain Python values, read once; all analysis works on these."""

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import openvino as ov

from splittool.runtime.ir import unique_names


@dataclass(frozen=True)
class TensorInfo:
    """What an operation puts out.

    Attributes:
        name: The operation's name, with ".port" behind it if it has several outputs.
        shape: Dimensions; None when they depend on the data, as after a NonZero.
        type: OpenVINO's name of the element type.
        bits: Bits of one element as the graph holds it.
    """

    name: str
    shape: tuple[int, ...] | None
    type: str
    bits: int

    @cached_property
    def elements(self) -> int:
        """Number of values; 0 for a size that depends on the data, which nobody can price."""
        return 0 if self.shape is None else math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size as the graph holds it."""
        return -(-self.elements * self.bits // 8)


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        index: Its place in `Graph.operations`.
        name: Unique name.
        type: OpenVINO's operation type.
        inputs: (operation index, output port) of every input.
        outputs: What it puts out.
        attributes: OpenVINO's attributes, where something here depends on them.
        constant: Whether it is computed from constants alone.
        variable: The state that it reads (ReadValue) or writes (Assign), if any.
    """

    index: int
    name: str
    type: str
    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[TensorInfo, ...]
    attributes: dict[str, Any]
    constant: bool
    variable: str | None = None

    @property
    def works(self) -> bool:
        """Whether data flows through it, which makes it a split point that has a price."""
        return not self.constant and self.type not in ("Parameter", "Result", "Assign")


@dataclass(frozen=True)
class Graph:
    """All operations of a model in topological order.

    Attributes:
        operations: The operations.
        renamed: The names that were given to operations whose own name was taken, and that name.
    """

    operations: tuple[Operation, ...]
    renamed: dict[str, str] = field(default_factory=dict)

    @cached_property
    def consumers(self) -> dict[tuple[int, int], list[int]]:
        """The operations that read each (operation, port)."""
        found: dict[tuple[int, int], list[int]] = {}
        for operation in self.operations:
            for source in operation.inputs:
                found.setdefault(source, []).append(operation.index)
        return found

    @cached_property
    def by_name(self) -> dict[str, Operation]:
        """Operations that data flows through, by name."""
        return {op.name: op for op in self.operations if op.works}

    @property
    def parameters(self) -> list[Operation]:
        """The model's inputs."""
        return [op for op in self.operations if op.type == "Parameter"]

    @cached_property
    def writers(self) -> list[Operation]:
        """The operations that write a state."""
        return [op for op in self.operations if op.type == "Assign"]

    @cached_property
    def variables(self) -> dict[str, list[int]]:
        """The operations that read or write each state, by its name."""
        found: dict[str, list[int]] = {}
        for op in self.operations:
            if op.variable is not None:
                found.setdefault(op.variable, []).append(op.index)
        return found

    def tensor(self, source: tuple[int, int]) -> TensorInfo:
        """What comes out of (operation, port)."""
        return self.operations[source[0]].outputs[source[1]]


@contextmanager
def uncollected() -> Iterator[None]:
    """Put off garbage collection, for code that makes many lasting objects and no cycles.

    Python would look through all of them again and again, which makes the cost of large graphs grow
    faster than the graphs.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@uncollected()
def read_graph(model: ov.Model) -> Graph:
    """Read a model; ShapeOf of a fixed shape must be folded, as `load_model` does."""
    nodes = model.get_ordered_ops()
    index = {node: i for i, node in enumerate(nodes)}
    own = [node.get_friendly_name() for node in nodes]
    names = unique_names([_shown(name, node) for name, node in zip(own, nodes, strict=True)])
    operations: list[Operation] = []
    for i, node in enumerate(nodes):
        inputs = tuple((index[port.get_node()], port.get_index()) for port in node.input_values())
        kind = node.get_type_name()
        constant = kind == "Constant" or (
            bool(inputs)
            and kind not in _NEVER_CONSTANT
            and all(operations[source].constant for source, _ in inputs)
        )
        attributes = node.get_attributes() if kind in _DESCRIBED else {}
        operations.append(
            Operation(
                index=i,
                name=names[i],
                type=kind,
                inputs=inputs,
                outputs=_outputs(node, names[i]),
                attributes=attributes,
                constant=constant,
                variable=attributes.get("variable_id") if kind in ("ReadValue", "Assign") else None,
            )
        )
    renamed = {op.name: own[op.index] for op in operations if op.works and op.name != own[op.index]}
    return Graph(tuple(operations), renamed)


# Reading attributes takes long.
_DESCRIBED = {
    "Assign",
    "AvgPool",
    "ConvolutionBackpropData",
    "Einsum",
    "GroupConvolutionBackpropData",
    "LRN",
    "MVN",
    "MatMul",
    "MaxPool",
    "ReadValue",
}

# From constants alone, and yet not the same every time.
_NEVER_CONSTANT = ("ReadValue", "RandomUniform", "Multinomial")


def _shown(name: str, node: ov.Node) -> str:
    """The name to give an operation if it is free: "input" is taken by the cut before all."""
    return f"{name}/{node.get_type_name()}" if name == "input" and node.inputs() else name


def _dimensions(port: ov.Output) -> tuple[int, ...] | None:
    try:
        shape = port.get_shape()
    except RuntimeError:  # it is open
        return None
    return tuple([shape[place] for place in range(len(shape))])  # iterating takes 20 us a shape


def _outputs(node: ov.Node, name: str) -> tuple[TensorInfo, ...]:
    ports = node.outputs()
    single = len(ports) == 1 or not any(port.get_target_inputs() for port in ports[1:])
    found = []
    for number, port in enumerate(ports):
        kind = port.get_element_type()
        own = name if single else f"{name}.{number}"
        found.append(TensorInfo(own, _dimensions(port), kind.get_type_name(), kind.get_bitwidth()))
    return tuple(found)
