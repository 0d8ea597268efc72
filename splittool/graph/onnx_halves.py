"""The two halves of a cut as ONNX files, cut out of the file of the whole.

Operations, weights and all that is said of them are copied byte for byte; only the inputs and
outputs at the cut are new. Weights are never held in memory: those in the file are copied from it,
those beside it (external data) go into a file beside the half.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from splittool.errors import InputError
from splittool.graph.graph import TensorInfo
from splittool.graph.onnx_operations import OnnxCut
from splittool.graph.split_points import require_both_sides
from splittool.runtime.onnx_file import (
    EXTERNAL,
    GRAPH,
    INITIALIZER,
    INPUT,
    OUTPUT,
    Node,
    OnnxFile,
    external_place,
)
from splittool.runtime.protobuf import Data, Field, fields, header, message
from splittool.runtime.protobuf import field as encoded

_ALIGNED = 4096  # so that a runtime can map the weights instead of reading them

# Numbers of element types in onnx.proto, by OpenVINO's names.
TYPES = {
    "f32": 1,
    "u8": 2,
    "i8": 3,
    "u16": 4,
    "i16": 5,
    "i32": 6,
    "i64": 7,
    "string": 8,
    "boolean": 9,
    "f16": 10,
    "f64": 11,
    "u32": 12,
    "u64": 13,
    "bf16": 16,
    "f8e4m3": 17,
    "f8e5m2": 19,
    "u4": 21,
    "i4": 22,
}
_I64 = 7


@dataclass
class _Half:
    """What goes into the file of a half.

    Attributes:
        nodes: Its operations.
        inputs: Its inputs, whole fields by name.
        outputs: Its outputs.
        shapes: Tensors that take the place of operations that asked for a shape.
    """

    nodes: list[Node]
    inputs: dict[str, Data]
    outputs: dict[str, Data]
    shapes: list[bytes] = field(default_factory=list)

    def used(self) -> set[str]:
        """All values that it names."""
        return {*self.outputs, *(name for node in self.nodes for name in node.inputs)}


class OnnxHalves:
    """Both halves of a cut of an ONNX file.

    Args:
        file: The file of the whole.
        cut: The cut, in both graphs.
        fixed: The whole's inputs with the shapes that they were given; None leaves them as they
            are in the file.

    Raises:
        InputError: One side would be empty, or a crossing tensor is of a type that ONNX has not.
    """

    def __init__(
        self, file: OnnxFile, cut: OnnxCut, fixed: Sequence[TensorInfo] | None = None
    ) -> None:
        require_both_sides(cut.cut)
        self._file, self._cut = file, cut
        self._fixed = {tensor.name: tensor for tensor in fixed or ()}
        self._crossing = dict(zip(cut.values, cut.cut.tensors, strict=True))

    def write_head(self, path: Path) -> None:
        """Write the head, and its weights beside it where the whole has them so.

        Raises:
            InputError: Weights beside the whole are missing.
        """
        graph, nodes = self._file.graph, self._cut.head
        used = {*self._cut.values, *(name for node in nodes for name in node.inputs)}
        inputs = {
            name: _value(INPUT, name, self._fixed[name]) if name in self._fixed else each.raw
            for name, each in graph.inputs.items()
            if name in used
        }
        outputs: dict[str, Data] = {
            name: _value(OUTPUT, name, each) for name, each in self._crossing.items()
        }
        self._write(path, self._known_shapes(_Half(nodes, inputs, outputs)))

    def write_tail(self, path: Path) -> None:
        """Write the tail; see `write_head`."""
        graph, nodes = self._file.graph, self._cut.tail
        inputs = {name: _value(INPUT, name, each) for name, each in self._crossing.items()}
        outputs: dict[str, Data] = {name: each.raw for name, each in graph.outputs.items()}
        half = _Half(nodes, {**inputs}, outputs)
        used = half.used()
        for name, each in graph.inputs.items():  # old files list their weights here
            if name in graph.initializers and name in used:
                half.inputs[name] = each.raw
        self._write(path, self._known_shapes(half))

    def _known_shapes(self, half: _Half) -> _Half:
        """The half without operations that ask for the shape of a value that is not in it."""
        there = {*half.inputs, *self._file.graph.initializers}
        there |= {name for node in half.nodes for name in node.outputs}
        kept = []
        for node in half.nodes:
            shape = self._cut.known.get(node.outputs[0]) if node.outputs else None
            if shape is None or node.inputs[0] in there:
                kept.append(node)
            else:
                half.shapes.append(_shape_tensor(node.outputs[0], shape))
        half.nodes = kept
        return half

    def _write(self, path: Path, half: _Half) -> None:
        graph, used = self._file.graph, half.used()
        made = {name for node in half.nodes for name in node.outputs}
        between = made - half.inputs.keys() - half.outputs.keys()
        annotations = [each for name, each in graph.annotations.items() if name in used | made]
        for each in annotations:
            used |= _parameters(each.bytes)
        parts: list[Data] = [node.raw for node in half.nodes]
        parts += [each.raw for each in graph.rest]
        with _Weights(self._file, path) as weights:
            tensors = [each for name, each in graph.initializers.items() if name in used]
            parts += [weights.place(each) for each in tensors]
        parts += [*half.shapes, *half.inputs.values(), *half.outputs.values()]
        parts += [each.raw for name, each in graph.infos.items() if name in between]
        parts += [each.raw for each in annotations]
        with path.open("wb") as target:
            for each in self._file.model:
                target.write(each.raw)
            target.write(header(GRAPH, sum(map(len, parts))))
            for part in parts:
                target.write(part)


class _Weights:
    """The file beside a half that takes the weights which lie beside the whole.

    Args:
        file: The whole.
        path: The half.
    """

    def __init__(self, file: OnnxFile, path: Path) -> None:
        self._folder, self._path = file.path.parent, path.with_name(path.name + ".data")
        self._target: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._target:
            self._target.close()

    def place(self, tensor: Field) -> Data:
        """A tensor as the half has it; values that lie beside the whole are copied."""
        place = external_place(tensor, self._folder)
        if place is None:
            return tensor.raw
        source, start, length = place
        if self._target is None:
            self._target = self._path.open("wb")
        offset = -(-self._target.tell() // _ALIGNED) * _ALIGNED
        self._target.seek(offset)
        with source.open("rb") as values:
            values.seek(start)
            _copy(values, self._target, length)
        entries = {"location": self._path.name, "offset": str(offset), "length": str(length)}
        kept = [bytes(each.raw) for each in fields(tensor.bytes) if each.number != EXTERNAL]
        new = [
            encoded(EXTERNAL, encoded(1, key) + encoded(2, value)) for key, value in entries.items()
        ]
        return encoded(INITIALIZER, message([*kept, *new]))


def _copy(source: BinaryIO, target: BinaryIO, length: int) -> None:
    """Copy so many bytes; a weight may be larger than the memory."""
    while length:
        block = source.read(min(length, 1 << 22))
        if not block:
            raise InputError("a file of weights became shorter while it was read; try again")
        target.write(block)
        length -= len(block)


def _value(number: int, name: str, tensor: TensorInfo) -> bytes:
    """An input or output with its type and shape."""
    kind = TYPES.get(tensor.type)
    if kind is None or tensor.shape is None:
        raise InputError(
            f"{name!r} is of type {tensor.type}, which cannot cross in ONNX; choose another split"
            " point"
        )
    sizes = message(encoded(1, encoded(1, size)) for size in tensor.shape)
    shaped = encoded(1, kind) + encoded(2, sizes)
    return encoded(number, encoded(1, name) + encoded(2, encoded(1, shaped)))


def _shape_tensor(name: str, shape: Sequence[int]) -> bytes:
    values = struct.pack(f"<{len(shape)}q", *shape)
    tensor = [encoded(1, len(shape)), encoded(2, _I64), encoded(8, name), encoded(9, values)]
    return encoded(INITIALIZER, message(tensor))


def _parameters(annotation: Data) -> set[str]:
    """Names of the tensors that say how a value is quantised."""
    pairs = (each.bytes for each in fields(annotation) if each.number == 2)
    return {each.text for pair in pairs for each in fields(pair) if each.number == 2}
