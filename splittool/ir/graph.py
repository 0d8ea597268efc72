"""A model's operations as plain Python values, read once; all analysis works on these."""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import openvino as ov


@dataclass(frozen=True)
class TensorInfo:
    """What an operation puts out.

    Attributes:
        name: The operation's name, with ".port" behind it if it has several outputs.
        shape: Dimensions.
        type: OpenVINO's name of the element type.
        bits: Bits of one element as the graph holds it.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    bits: int

    @property
    def elements(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

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
        attributes: OpenVINO's attributes.
        constant: Whether it is computed from constants alone.
    """

    index: int
    name: str
    type: str
    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[TensorInfo, ...]
    attributes: dict[str, Any]
    constant: bool


@dataclass(frozen=True)
class Graph:
    """All operations of a model in topological order."""

    operations: tuple[Operation, ...]

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
        hidden = ("Result", "Parameter")
        return {op.name: op for op in self.operations if not op.constant and op.type not in hidden}

    @property
    def parameters(self) -> list[Operation]:
        """The model's inputs."""
        return [op for op in self.operations if op.type == "Parameter"]

    def tensor(self, source: tuple[int, int]) -> TensorInfo:
        """What comes out of (operation, port)."""
        return self.operations[source[0]].outputs[source[1]]


def read_graph(model: ov.Model) -> Graph:
    """Read a model with fixed shapes."""
    nodes = model.get_ordered_ops()
    index = {node: i for i, node in enumerate(nodes)}
    names = unique_names([node.get_friendly_name() for node in nodes])
    operations: list[Operation] = []
    for i, node in enumerate(nodes):
        inputs = tuple(
            (index[port.get_node()], port.get_index())
            for port in (value.get_source_output() for value in node.inputs())
        )
        kind = node.get_type_name()
        constant = kind == "Constant" or (
            bool(inputs) and all(operations[source].constant for source, _ in inputs)
        )
        attributes = {} if kind == "Constant" else node.get_attributes()
        operations.append(
            Operation(i, names[i], kind, inputs, _outputs(node, names[i]), attributes, constant)
        )
    return Graph(tuple(operations))


def unique_names(names: list[str]) -> list[str]:
    """Number the later ones of equal names: "x", "x_2", "x_3"."""
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        candidate = name
        while seen[name] > 1 and candidate in taken:
            candidate = f"{name}_{seen[name]}"
            seen[name] += candidate in taken
        taken.add(candidate)
        unique.append(candidate)
    return unique


def _outputs(node: ov.Node, name: str) -> tuple[TensorInfo, ...]:
    ports = [port for port in node.outputs() if port.get_index() == 0 or port.get_target_inputs()]
    single = len(ports) == 1
    return tuple(
        TensorInfo(
            name=name if single else f"{name}.{port.get_index()}",
            shape=tuple(port.get_shape()),
            type=port.get_element_type().get_type_name(),
            bits=port.get_element_type().get_bitwidth(),
        )
        for port in node.outputs()
    )
