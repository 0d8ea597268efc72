"""From a program of PyTorch, TorchScript or exported, to a graph. Reading one runs it."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import openvino as ov
import torch
from torch.export import ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx

from splittool.errors import InputError
from splittool.formats import TORCHSCRIPT

Program: TypeAlias = ExportedProgram | torch.jit.ScriptModule


def load_program(path: Path, kind: str) -> Program:
    """Load a program, which can run code.

    Args:
        path: The file.
        kind: `formats.TORCHSCRIPT` or `formats.EXPORTED`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated; its files are there
        if kind == TORCHSCRIPT:
            script: torch.jit.ScriptModule = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
            return script.eval()
        return torch.export.load(path)


def input_shapes(path: Path, program: Program) -> dict[str, ov.PartialShape]:
    """What a program says of the shapes of its inputs, by their names; TorchScript says nothing.

    Raises:
        InputError: An input is no tensor, or there is none.
    """
    if isinstance(program, ExportedProgram):
        named = program.graph_signature.user_inputs
        values = {node.name: node.meta.get("val") for node in program.graph.nodes}
        found = {str(name): _shape(values.get(str(name))) for name in named}
    else:
        forward: Any = program.forward
        arguments = forward.schema.arguments[1:]  # the first is the program itself
        found = {
            each.name: ov.PartialShape.dynamic() if str(each.type) == "Tensor" else None
            for each in arguments
            if not each.has_default_value()
        }
    shapes = {name: shape for name, shape in found.items() if shape is not None}
    if not shapes or len(shapes) < len(found):
        wrong = ", ".join(found.keys() - shapes) or "it takes nothing"
        raise InputError(
            f"{path}: inputs that are no tensors cannot be fed ({wrong}); export a program that"
            " takes tensors alone"
        )
    return shapes


def _shape(value: object) -> ov.PartialShape | None:
    if not isinstance(value, torch.Tensor):
        return None
    return ov.PartialShape([size if isinstance(size, int) else -1 for size in value.shape])


def exported(program: Program, shapes: Sequence[Sequence[int]]) -> ExportedProgram:
    """A program as PyTorch exports them.

    TorchScript runs once, on zeros: which way its conditions go depends on the shapes, and what it
    computed is what is exported.

    Args:
        program: What `load_program` gave.
        shapes: The shapes of its inputs.
    """
    if isinstance(program, ExportedProgram):
        return program
    examples = tuple(torch.zeros(tuple(shape)) for shape in shapes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Before dispatch, operations such as bilinear resizing are not yet taken apart.
        recorded = make_fx(program, pre_dispatch=True)(*examples)
        return torch.export.export(recorded, examples)


def to_graph(program: ExportedProgram, shapes: Mapping[str, Sequence[int]]) -> ov.Model:
    """Convert an exported program.

    Args:
        program: The program.
        shapes: The shape of every input by its name, in their order.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ov.convert_model(program)
    for port, name in zip(model.inputs, shapes, strict=True):
        port.get_node().set_friendly_name(name)
        port.get_tensor().set_names({name})
    model.reshape(dict(zip(model.inputs, map(ov.PartialShape, shapes.values()), strict=True)))
    return model
