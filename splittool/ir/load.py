"""Read any model file into one graph type."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import openvino as ov
from openvino.frontend import FrontEndManager

from splittool.errors import InputError
from splittool.files import require_file
from splittool.ir.engine import core

SUFFIXES = (".pt", ".xml", ".onnx", ".tflite")


def load_model(path: Path) -> ov.Model:
    """Read a model file: a checkpoint of ours, OpenVINO IR, ONNX or TensorFlow Lite.

    Raises:
        InputError: It is missing, damaged, of an unknown kind, or its shapes are not fixed.
        MissingExtraError: A .pt is given and torch is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is not a model; give one of {', '.join(SUFFIXES)}")
    require_file(path, "make one with: splittool train, then splittool export")
    if path.suffix == ".pt":
        from splittool.ir.export import export_in_memory

        return export_in_memory(path)
    if path.suffix == ".xml":
        _check_weights(path)
    else:
        _check_kind(path)
    try:
        model = core().read_model(path)
    except RuntimeError as error:
        raise InputError(
            f"{path} cannot be read as a model ({_cause(error)}); export it again"
        ) from None
    _require_fixed_shapes(path, model)
    return model


def _check_kind(path: Path) -> None:
    """Refuse a file that is not what its suffix says; OpenVINO would try it as every other kind."""
    reader = FrontEndManager().load_by_framework(path.suffix.removeprefix("."))
    if not reader.supported(str(path)):
        raise InputError(
            f"{path} cannot be read as a model (it is no {path.suffix} file); export it again"
        )


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
    end = 0
    root = ""
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            root = root or element.tag
            if event == "end" and element.tag == "data" and "offset" in element.attrib:
                end = max(end, int(element.attrib["offset"]) + int(element.attrib["size"]))
    except (ElementTree.ParseError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not OpenVINO IR ({error}); export it again") from None
    if root != "net":
        raise InputError(f"{path} is XML, but not OpenVINO IR; give the .xml of an exported model")
    return end


def _require_fixed_shapes(path: Path, model: ov.Model) -> None:
    for port in model.inputs:
        if port.get_partial_shape().is_dynamic:
            name = port.get_node().get_friendly_name()
            raise InputError(
                f"{path}: input {name!r} has the open shape {port.get_partial_shape()};"
                " export the model with a fixed size"
            )
