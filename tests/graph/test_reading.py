import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.errors import InputError, UsageError
from splittool.graph.graph import read_graph
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.runtime.ir import core, save_ir


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported network that may be damaged."""
    for suffix in (".xml", ".bin"):
        shutil.copy(exported.with_suffix(suffix), tmp_path / f"net{suffix}")
    return tmp_path / "net.xml"


def test_ir_is_read(copied: Path) -> None:
    model = load_model(copied)
    assert list(model.inputs[0].get_shape()) == [1, 3, 64, 96]
    assert list(model.outputs[0].get_shape()) == [1, 4, 64, 96]


def test_a_checkpoint_is_read_as_what_export_writes(checkpoint: Path, exported: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    first, second = (
        core().compile_model(load_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        for path in (checkpoint, exported)
    )
    assert np.array_equal(first(pixels)[0], second(pixels)[0])


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_an_xml_without_its_weights(copied: Path) -> None:
    copied.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match=r"there is no file .*net\.bin; it holds the weights"):
        load_model(copied)


@pytest.mark.parametrize("change", [_truncate, lambda path: path.write_bytes(b"")])
def test_weights_of_another_length(copied: Path, change: Callable[[Path], None]) -> None:
    change(copied.with_suffix(".bin"))
    with pytest.raises(InputError, match=r"net\.bin is \d+ bytes, but net\.xml describes \d+"):
        load_model(copied)


def test_weights_of_another_model(copied: Path) -> None:
    copied.with_suffix(".bin").write_bytes(copied.with_suffix(".bin").read_bytes() + b"more")
    with pytest.raises(InputError, match="copy both files together"):
        load_model(copied)


@pytest.mark.parametrize("text", ["", "not xml", "<net", "<net></bad>", "\x00\x01"])
def test_garbage_is_not_ir(copied: Path, text: str) -> None:
    copied.write_text(text)
    with pytest.raises(InputError, match=r"net\.xml is not OpenVINO IR"):
        load_model(copied)


def test_a_cut_off_xml(copied: Path) -> None:
    _truncate(copied)
    with pytest.raises(InputError, match=r"net\.xml is not OpenVINO IR"):
        load_model(copied)


def test_xml_of_something_else(copied: Path) -> None:
    copied.write_text("<html><body>login</body></html>")
    with pytest.raises(InputError, match="is XML, but not OpenVINO IR"):
        load_model(copied)


def test_ir_without_a_network(copied: Path) -> None:
    copied.write_text("<net/>")
    copied.with_suffix(".bin").unlink()
    with pytest.raises(InputError, match=r"net\.xml"):
        load_model(copied)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_garbage_of_other_kinds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(b"garbage")
    with pytest.raises(InputError, match=rf"net\{suffix} cannot be read as a model"):
        load_model(path)


@pytest.mark.parametrize("name", ["net.jpg", "net", "net.XML.txt"])
def test_an_unknown_kind(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"is not a model; give one of \.pt, \.xml, \.onnx"):
        load_model(tmp_path / name)


@pytest.mark.parametrize("suffix", [".pt", ".xml", ".onnx", ".tflite"])
def test_a_missing_model(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_model(tmp_path / f"net{suffix}")
    (tmp_path / f"net{suffix}").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        load_model(tmp_path / f"net{suffix}")


@pytest.fixture
def open_model(tmp_path: Path) -> Path:
    """Two inputs, of which one is open, and an operation that asks for a size."""
    pixels = op.parameter([-1, 3, -1, -1], ov.Type.f32, name="pixels")
    scale = op.parameter([1], ov.Type.f32, name="scale")
    early = op.relu(op.multiply(pixels, scale))
    early.set_friendly_name("early")
    small = op.max_pool(early, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])
    size = op.gather(op.shape_of(early), op.constant([2, 3]), op.constant(0))
    large = op.interpolate(small.output(0), size, "nearest", "sizes", axes=op.constant([2, 3]))
    small.set_friendly_name("small")
    save_ir(ov.Model([op.result(large)], [pixels, scale], "m"), tmp_path / "open.xml", half=False)
    return tmp_path / "open.xml"


def test_open_shapes_are_refused_with_the_input_and_how_to_fix_it(open_model: Path) -> None:
    with pytest.raises(InputError, match=r"input 'pixels' has the open shape \[\?,3,\?,\?\]") as e:
        load_model(open_model)
    assert "`shape` pixels=1x3x224x224" in str(e.value)


def test_a_shape_fixes_an_open_input(open_model: Path) -> None:
    model = load_model(open_model, ["pixels=1x3x8x16"])
    assert [tuple(port.get_shape()) for port in model.inputs] == [(1, 3, 8, 16), (1,)]
    assert tuple(model.outputs[0].get_shape()) == (1, 3, 8, 16)


def test_asking_for_a_size_sends_no_tensor(open_model: Path) -> None:
    graph = read_graph(load_model(open_model, ["pixels=1x3x8x16"]))
    assert "ShapeOf" not in {operation.type for operation in graph.by_name.values()}
    assert [tensor.name for tensor in find_cut(graph, "small").tensors] == ["small"]


def test_one_input_needs_no_name(exported: Path) -> None:
    model = load_model(exported, ["1x3x32x64"])
    assert tuple(model.inputs[0].get_shape()) == (1, 3, 32, 64)
    assert tuple(model.outputs[0].get_shape()) == (1, 4, 32, 64)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("1x3x8x8", "several inputs; give NAME=1x3x8x8, where NAME is one of: pixels, scale"),
        ("pixel=1x3x8x8", "no input 'pixel'; it has: pixels, scale"),
        ("pixels=1x3xHxW", "whole numbers above 0, such as 1x3x256x1600"),
        ("pixels=1x3x0x8", "whole numbers above 0"),
        ("pixels=", "whole numbers above 0"),
        ("pixels=1x3x8", "cannot take `shape`"),
    ],
)
def test_shapes_that_do_not_fit(open_model: Path, shape: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_model(open_model, [shape])


@pytest.mark.parametrize("shape", ["1x4x32x64", "1x3x33x64", "1x3x64"])
def test_a_shape_the_network_cannot_take(exported: Path, shape: str) -> None:
    with pytest.raises(UsageError, match=rf"tiny\.xml cannot take `shape` {shape} \("):
        load_model(exported, [shape])


def test_a_model_without_weights_needs_none(tmp_path: Path) -> None:
    x = op.parameter([1, 3], ov.Type.f32, name="x")
    save_ir(ov.Model([op.result(op.relu(x))], [x], "m"), tmp_path / "m.xml")
    assert load_model(tmp_path / "m.xml").get_ordered_ops()
    (tmp_path / "m.bin").unlink()
    assert load_model(tmp_path / "m.xml").get_ordered_ops()


def test_a_graph_that_computes_nothing_is_refused(tmp_path: Path) -> None:
    x = op.parameter([1, 3], ov.Type.f32, name="x")
    save_ir(ov.Model([op.result(x)], [x], "m"), tmp_path / "m.xml")
    (tmp_path / "n.xml").write_text('<net name="n" version="11"><layers/><edges/></net>')
    for name in "mn":
        with pytest.raises(InputError, match=rf"{name}\.xml holds no operations"):
            load_model(tmp_path / f"{name}.xml")
