from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino as ov
import pytest
import torch
from torch_programs import MAKERS, SIZE, OfAList, script, two_levels

from splittool.conversion.program import exported, input_shapes, load_program, to_graph
from splittool.errors import InputError
from splittool.formats import TORCHSCRIPT, program_kind
from splittool.graph.halves import random_input, run_in_f32
from splittool.graph.names import name_operations

SHAPES = {"pixels": [1, 3, SIZE, SIZE]}


class Converted(NamedTuple):
    kind: str
    said: dict[str, ov.PartialShape]
    model: ov.Model
    names: list[str]


@pytest.fixture(scope="module", params=MAKERS)
def converted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Converted:
    path = MAKERS[request.param](two_levels(), tmp_path_factory.mktemp("p") / request.param)
    kind = program_kind(path)
    assert kind
    loaded = load_program(path, kind)
    program = exported(loaded, list(SHAPES.values()))
    models = [to_graph(program, SHAPES) for _ in range(2)]
    for model in models:
        name_operations(model, lambda: to_graph(program, SHAPES))
    first, second = ([node.get_friendly_name() for node in _working(m)] for m in models)
    assert first == second
    return Converted(kind, input_shapes(path, loaded), models[0], first)


def _working(model: ov.Model) -> list[ov.Node]:
    idle = ("Constant", "Result")
    return [node for node in model.get_ordered_ops() if node.get_type_name() not in idle]


def test_it_computes_what_torch_does(converted: Converted) -> None:
    (pixels,) = random_input(converted.model).values()
    (ours,) = run_in_f32(converted.model, [pixels])
    with torch.no_grad():
        theirs = two_levels()(torch.from_numpy(pixels)).numpy()
    assert theirs.std() > 0.01
    assert np.abs(ours - theirs).max() < 1e-5


def test_operations_are_whole_and_have_names(converted: Converted) -> None:
    """Conditions are decided by the shape, and resizing is not taken apart."""
    kinds = [node.get_type_name() for node in _working(converted.model)]
    assert kinds.count("Interpolate") == 1
    assert "If" not in kinds
    assert len(set(converted.names)) == len(converted.names) > 8


def test_what_it_says_of_its_inputs(converted: Converted) -> None:
    """An exported program fixes what was not exported as open; TorchScript fixes nothing."""
    dynamic = ov.PartialShape.dynamic()
    exported_for = ov.PartialShape([-1, 3, SIZE, SIZE])
    assert converted.said == {"pixels": dynamic if converted.kind == TORCHSCRIPT else exported_for}


def test_inputs_that_are_no_tensors(tmp_path: Path) -> None:
    path = script(OfAList(), tmp_path / "list.ts")
    with pytest.raises(InputError, match=r"inputs that are no tensors cannot be fed \(tensors\)"):
        input_shapes(path, load_program(path, TORCHSCRIPT))
