"""Read any model file into one graph type."""

import math
from collections.abc import Sequence
from pathlib import Path
from xml.parsers import expat

import openvino as ov
from openvino.frontend import FrontEndManager

from splittool.errors import InputError, UsageError
from splittool.files import require_file
from splittool.formats import PROGRAM_SUFFIXES, how_to_convert, program_kind
from splittool.graph.guard import guard
from splittool.graph.names import name_operations
from splittool.graph.programs import read_program
from splittool.graph.shapes import parse_shapes, require_fixed, shapes_or
from splittool.runtime.ir import adopt_notes, core, fold_shapes, read_info

SUFFIXES = (".pt", ".xml", ".onnx", ".tflite", ".pb", ".pdmodel")
SAVED_MODEL = "saved_model.pb"  # in a folder of TensorFlow's

# OpenVINO's name for the format of each suffix, and what such a file is.
_FORMATS = {
    ".onnx": ("onnx", ".onnx file"),
    ".tflite": ("tflite", ".tflite file"),
    ".pb": ("tf", "graph of TensorFlow"),
    ".pdmodel": ("paddle", "program of Paddle"),
}


def load_model(
    path: Path, shapes: Sequence[str] = (), trust: bool = False, if_open: str | None = None
) -> ov.Model:
    """Read a model file: a checkpoint of ours, or any other that OpenVINO reads.

    Args:
        path: The file, or a SavedModel folder of TensorFlow.
        shapes: Input shapes to set: "1x3x256x1600", or "NAME=1x3x256x1600" where there are several
            inputs.
        trust: Read programs of PyTorch, too, which can run code: TorchScript and .pt2.
        if_open: The shape of the input where it is open and `shapes` is empty: "1x3x256x1600".

    Raises:
        InputError: It is missing, damaged, of an unknown kind, a program that is not trusted, or
            its input shapes are not fixed.
        UsageError: A shape cannot be read, is of an unknown input, or does not fit the model.
        MissingExtraError: A .pt is given and torch is not installed.
    """
    if (path / SAVED_MODEL).is_file():
        model = _read_foreign(path, "tf", "SavedModel of TensorFlow")
        return prepare(model, shapes, path, if_open)
    if path.suffix not in (*SUFFIXES, *PROGRAM_SUFFIXES):
        known = how_to_convert(path) or f"is not a model; give one of {', '.join(SUFFIXES)}"
        raise InputError(f"{path} {known}")
    require_file(path, "make one with: splittool train, then splittool export")
    if kind := program_kind(path):
        return prepare(read_program(path, kind, shapes, trust, if_open), (), path)
    if path.suffix in _FORMATS:
        model = _read_foreign(path, *_FORMATS[path.suffix])
    elif path.suffix == ".pt":
        from splittool.conversion.checkpoint import export_in_memory

        model = export_in_memory(path)
    else:
        model = _read_ir(path)
    return prepare(model, shapes, path, if_open)


def prepare(
    model: ov.Model, shapes: Sequence[str], source: Path | str, if_open: str | None = None
) -> ov.Model:
    """Fix the shapes of a model, and fold what they decide; the model is changed.

    Args:
        model: The graph.
        shapes: Input shapes to set; see `load_model`.
        source: Where the model comes from, for messages.
        if_open: See `load_model`.

    Raises:
        InputError: Its input shapes are not fixed, it computes nothing, or what it says about
            itself is damaged.
        UsageError: A shape is not one, of an unknown input, or one the model cannot take.
    """
    if model.is_dynamic():
        shapes = shapes_or(if_open, shapes)
    if shapes:
        _set_shapes(source, model, shapes)
    for port in model.inputs:
        require_fixed(source, port.get_node().get_friendly_name(), port.get_partial_shape())
    _require_size(source, model)
    _require_work(source, model)
    _require_info(source, model)
    fold_shapes(model)
    return model


def _read_foreign(path: Path, kind: str, what: str) -> ov.Model:
    """A model of another tool, whose operations may need names."""
    if path.suffix == ".pdmodel":
        weights = path.with_suffix(".pdiparams")
        require_file(weights, f"it holds the weights of {path.name}: copy both files together")
    guard(path, kind, what)
    _check_kind(path, kind, what)
    model = _read(path)
    name_operations(model, lambda: core().read_model(path))
    adopt_notes(model)
    return model


def _read_ir(path: Path) -> ov.Model:
    _check_weights(path)
    _check_kind(path, "ir", "IR of a version that is read here")
    return _read(path)


def _read(path: Path) -> ov.Model:
    try:
        return core().read_model(path)
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as a model ({_cause(error)}); export it again"
        ) from None


def _set_shapes(path: Path | str, model: ov.Model, shapes: Sequence[str]) -> None:
    ports = {port.get_node().get_friendly_name(): port for port in model.inputs}
    wanted = {
        ports[name]: ov.PartialShape(shape)
        for name, shape in parse_shapes(path, list(ports), shapes).items()
    }
    try:
        model.reshape(wanted)
    except RuntimeError as error:
        raise UsageError(
            f"{path} cannot take `shape` {' '.join(shapes)} ({_cause(error)});"
            " give a shape the network was made for"
        ) from None


def _check_kind(path: Path, kind: str, what: str) -> None:
    """Refuse a file that is not what its suffix says; OpenVINO would try it as every other kind."""
    reader = FrontEndManager().load_by_framework(kind)
    if not reader.supported(str(path)):
        raise InputError(f"{path} cannot be read as a model (it is no {what}); export it again")


def _cause(error: RuntimeError) -> str:
    """The last line of OpenVINO's message says what is wrong; those before, where in its code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given").rstrip(".")[:120]


def _check_weights(path: Path) -> None:
    """An .xml without its weights is read by OpenVINO, and fails or computes nonsense later."""
    weights = path.with_suffix(".bin")
    expected = _expected_weights(path)
    if not expected and not weights.exists():
        return
    require_file(weights, f"it holds the weights of {path.name}: copy both files together")
    actual = weights.stat().st_size
    if actual != expected:
        raise InputError(
            f"{weights} is {actual} bytes, but {path.name} describes {expected};"
            " copy both files together, or export again"
        )


def _expected_weights(path: Path) -> int:
    """Bytes of weights that an .xml refers to.

    Raises:
        InputError: It is not OpenVINO IR.
    """
    ends, root = [0], ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal root
        root = root or tag
        if tag == "data" and "offset" in attributes:
            ends.append(int(attributes["offset"]) + int(attributes["size"]))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        with path.open("rb") as file:
            parser.ParseFile(file)
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not OpenVINO IR ({error}); export it again") from None
    if root != "net":
        raise InputError(f"{path} is XML, but not OpenVINO IR; give the .xml of an exported model")
    return max(ends)


_MOST_ELEMENTS = 2**30


def _require_size(path: Path | str, model: ov.Model) -> None:
    """Refuse an input that no machine holds; the runtimes say so late, and each in its words."""
    for port in model.inputs:
        elements = math.prod(port.get_shape())
        if elements > _MOST_ELEMENTS:
            name = port.get_node().get_friendly_name()
            raise InputError(
                f"{path}: input {name!r} has {elements:,} elements, and {_MOST_ELEMENTS:,} are the"
                " most that are taken; export it for a smaller input"
            )


def _require_work(source: Path | str, model: ov.Model) -> None:
    """Refuse a graph that computes nothing: it would cost nothing, and every proof would hold."""
    idle = ("Parameter", "Constant", "Result")
    if not model.outputs or all(node.get_type_name() in idle for node in model.get_ops()):
        raise InputError(f"{source} holds no operations; give a whole model")


def _require_info(source: Path | str, model: ov.Model) -> None:
    try:
        read_info(model)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
