"""From a checkpoint to ONNX, with the names and notes that OpenVINO IR gets."""

import warnings
from importlib.util import find_spec
from pathlib import Path

import msgspec
import torch

from splittool.conversion.checkpoint import Probabilities, describe, folded, module_names
from splittool.errors import InputError, MissingExtraError
from splittool.models import checkpoints
from splittool.runtime.ir import ONNX_KEY, ModelInfo

_OPSET = 17


def export_onnx(source: Path, output: Path) -> None:
    """Write a checkpoint as ONNX: (1, 3, H, W) uint8 pixels in, (1, C, H, W) probabilities out.

    Weights have 32 bits. Operations are named after the modules they come from, as in OpenVINO IR,
    and the metadata says what the network's classes and split points are.

    Args:
        source: The checkpoint.
        output: The .onnx to write.

    Raises:
        InputError: The checkpoint cannot be used, or ONNX cannot express one of its operations.
        MissingExtraError: The package onnx is not installed.
    """
    if find_spec("onnx") is None:
        raise MissingExtraError("onnx is not installed: pip install 'splittool[onnx]'")
    checkpoint = checkpoints.load(source)
    network, canvas = checkpoints.restore(source, checkpoint), checkpoint.canvas
    pixels = torch.zeros(1, 3, canvas.height, canvas.width, dtype=torch.uint8)
    with warnings.catch_warnings(), torch.no_grad():
        # torch calls this exporter deprecated; its successor folds the modules' names away.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                Probabilities(folded(network)).eval(),
                (pixels,),
                str(output),
                dynamo=False,
                opset_version=_OPSET,
                input_names=["pixels"],
                output_names=["probabilities"],
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            cause = str(error).strip().splitlines()[0][:160]
            raise InputError(f"{source} cannot be written as ONNX: {cause}") from None
    info = describe(source, checkpoint, network)
    _name(output, info)


def _name(path: Path, info: ModelInfo) -> None:
    """Give the operations of a file their names, and the file its notes."""
    import onnx

    model = onnx.load(path)
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    modules = [_module(node.name) for node in nodes]
    names = module_names(modules, [node.op_type for node in nodes], info.split_points)
    values = {}
    for node, name in zip(nodes, names, strict=True):
        node.name = name
        values[node.output[0]] = name
    for output in model.graph.output:
        values.pop(output.name, None)
    for node in model.graph.node:  # what crosses a cut is called after what puts it out
        for ends in (node.input, node.output):
            ends[:] = [values.get(value, value) for value in ends]
    del model.graph.value_info[:]
    onnx.helper.set_model_props(model, {ONNX_KEY: msgspec.json.encode(info).decode()})
    onnx.save(model, path)


def _module(name: str) -> str:
    """The module of "/network/encoder/conv/Conv"; empty for the network itself."""
    path = name.strip("/").rpartition("/")[0].replace("/", ".")
    return "" if path == "network" else path.removeprefix("network.")
