from pathlib import Path

import numpy as np
import pytest
from onnx_networks import SHAPE, kernel, model, node, onnx, two_levels, value, weight

from splittool.errors import InputError, OutputError
from splittool.graph.onnx_extraction import extract_halves, inferred_tensors
from splittool.graph.onnx_graph import OnnxReading
from splittool.graph.onnx_halves import OnnxHalves
from splittool.graph.reading import load_model
from splittool.runtime.onnx_file import OnnxFile

HALVES = ("head.onnx", "tail.onnx")


def test_the_halves_are_those_that_are_proved(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    found = extract_halves(path, ["op/pool"], tmp_path)
    assert found.values == ["skip", "pool"]
    alone = [(tmp_path / name).read_bytes() for name in HALVES]
    reading = OnnxReading(OnnxFile(path), load_model(path))
    halves = OnnxHalves(reading.file, reading.find_cut("op/pool"))
    halves.write_head(tmp_path / "head.onnx")
    halves.write_tail(tmp_path / "tail.onnx")
    assert alone == [(tmp_path / name).read_bytes() for name in HALVES]


def test_a_value_names_the_cut_after_the_operation_that_puts_it_out(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    by_value, by_name = (extract_halves(path, [at], tmp_path) for at in ("middle", "op/middle"))
    assert by_value.values == by_name.values == ["skip", "middle"]


def test_shapes_are_inferred_though_weights_are_not_read(tmp_path: Path) -> None:
    """The kernel is of 4 kB and stays behind; sizes, which decide shapes, do not."""
    nodes = [
        node("Conv", "first", "pixels", "w"),
        node("Reshape", "flat", "first", "sizes"),
        node("MatMul", "maps", "flat", "m"),
    ]
    rng = np.random.default_rng(0)
    weights = [
        kernel("w"),
        weight("sizes", [4, 36], np.int64),
        weight("m", rng.standard_normal((36, 40))),
    ]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("pixels")], [value("maps", (4, 40))], weights), path)
    found = inferred_tensors(OnnxFile(path))
    assert {name: found[name].shape for name in ("pixels", "first", "flat", "maps")} == {
        "pixels": SHAPE,
        "first": SHAPE,
        "flat": (4, 36),
        "maps": (4, 40),
    }
    assert (found["flat"].type, found["flat"].bits) == ("f32", 32)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    with pytest.raises(InputError, match="no split point 'op/pol'; did you mean"):
        extract_halves(path, ["op/pol"], tmp_path)
    with pytest.raises(InputError, match="leaves the tail empty"):
        extract_halves(path, ["maps"], tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        extract_halves(path, ["op/pool"], tmp_path / "nowhere")


def test_what_crosses_must_have_a_fixed_shape(tmp_path: Path) -> None:
    shape = ("n", *SHAPE[1:])
    nodes = [node("Relu", "middle", "pixels"), node("Relu", "maps", "middle")]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("pixels", shape)], [value("maps", shape)], []), path)
    with pytest.raises(InputError, match="the size of 'middle' depends on the data"):
        extract_halves(path, ["op/middle"], tmp_path)


def test_damage_that_only_onnx_sees_is_refused(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    path.write_bytes(path.read_bytes() + b"\x42\x02\x0a\xff")  # an operation set that breaks off
    with pytest.raises(InputError, match=r"whole\.onnx is not an ONNX file \(damaged\)"):
        extract_halves(path, ["op/pool"], tmp_path)


def test_a_value_of_an_unknown_operation_has_no_type_to_cross_with(tmp_path: Path) -> None:
    strange = onnx.helper.make_node("Strange", ["pixels"], ["middle"], "op/middle", domain="else")
    path = tmp_path / "whole.onnx"
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("else", 1)]
    nodes = [strange, node("Relu", "maps", "middle")]
    onnx.save(model(nodes, [value("pixels")], [value("maps")], [], opsets=opsets), path)
    with pytest.raises(InputError, match="'middle' is of type unknown, which cannot cross"):
        extract_halves(path, ["op/middle"], tmp_path)
