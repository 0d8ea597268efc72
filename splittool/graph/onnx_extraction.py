"""Both halves of an ONNX file from the file alone: no OpenVINO, no weights read, and no proof.

`splittool cut --target onnx` proves what it writes, and has OpenVINO's graph beside the file's for
that. This is for programs that cut often, or prove the halves themselves.
"""

from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from splittool.errors import InputError, MissingExtraError
from splittool.files import output_errors
from splittool.graph.graph import TensorInfo
from splittool.graph.onnx_halves import TYPES, OnnxHalves
from splittool.graph.onnx_operations import OnnxCut, OnnxOperations
from splittool.runtime.onnx_file import (
    EXTERNAL,
    GRAPH,
    INITIALIZER,
    IS_EXTERNAL,
    LOCATION,
    OnnxFile,
)
from splittool.runtime.protobuf import Data, Field, field, fields, message

_TYPE_NAMES = {number: name for name, number in TYPES.items()}
_SMALL = 1024  # bytes of a tensor that may be a shape, which shape inference reads
_DIMENSIONS, _TYPE, _NAME = 1, 2, 8  # of a tensor


def extract_halves(path: Path, at: list[str], folder: Path) -> OnnxCut:
    """Write head.onnx and tail.onnx; nobody has run them then.

    Args:
        path: The .onnx file of the whole, with fixed input shapes.
        at: Operations to cut after, by their names in the file or those of values they put out.
        folder: Where the halves go.

    Returns:
        The cut: its operations, and every value that crosses.

    Raises:
        InputError: The file is damaged, there is no such operation, one side would be empty, or
            the shape of what crosses is not fixed.
        OutputError: A half cannot be written.
        MissingExtraError: The package onnx is not installed.
    """
    file = OnnxFile(path)
    found = OnnxOperations(file, inferred_tensors(file)).find_cut(*at)
    halves = OnnxHalves(file, found)
    with output_errors(folder):
        halves.write_head(folder / "head.onnx")
        halves.write_tail(folder / "tail.onnx")
    return found


def inferred_tensors(file: OnnxFile) -> dict[str, TensorInfo]:
    """Types and shapes of a file's values, by ONNX's own shape inference.

    Raises:
        InputError: A part of the file is damaged.
        MissingExtraError: The package onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx is not installed: pip install 'splittool[onnx]'")
    from onnx.shape_inference import infer_shapes

    try:
        graph = infer_shapes(_without_weights(file)).graph
    except ValueError:
        raise InputError(f"{file.path} is not an ONNX file (damaged); export it again") from None
    values = [*graph.input, *graph.output, *graph.value_info]
    return {value.name: _tensor(value) for value in values}


def _without_weights(file: OnnxFile) -> bytes:
    """The model with tensors too large to be shapes left empty, as if they lay beside it."""
    graph = file.graph
    said = [graph.inputs.values(), graph.outputs.values(), graph.infos.values()]
    parts: list[Data] = [node.raw for node in graph.nodes]
    parts += [each.raw for each in chain(graph.rest, *said)]
    parts += [_emptied(each) for each in graph.initializers.values()]
    model = [each.raw for each in file.model]
    return b"".join([*model, field(GRAPH, b"".join(parts))])


def _emptied(tensor: Field) -> Data:
    if tensor.number != INITIALIZER or len(tensor.raw) <= _SMALL:
        return tensor.raw
    kept = [
        bytes(each.raw)
        for each in fields(tensor.bytes)
        if each.number in (_DIMENSIONS, _TYPE, _NAME, EXTERNAL)
    ]
    return field(INITIALIZER, message([*kept, field(LOCATION, IS_EXTERNAL)]))


def _tensor(value: Any) -> TensorInfo:
    kind = value.type.tensor_type
    sizes = [each.dim_value for each in kind.shape.dim if each.HasField("dim_value")]
    fixed = kind.HasField("shape") and len(sizes) == len(kind.shape.dim)
    name = _TYPE_NAMES.get(kind.elem_type, "unknown")
    return TensorInfo(value.name, tuple(sizes) if fixed else None, name, _bits(name))


def _bits(name: str) -> int:
    """Bits of an element of a type: the number at the end of its name."""
    return {"boolean": 8, "f8e4m3": 8, "f8e5m2": 8}.get(name) or int(
        "".join(filter(str.isdigit, name)) or 0
    )
