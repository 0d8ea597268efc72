import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from onnx_networks import SHAPE, kernel, model, node, onnx, two_levels, value, weight

from splittool.errors import InputError
from splittool.graph.graph import read_graph
from splittool.graph.halves import random_input
from splittool.graph.onnx_extraction import extract_halves
from splittool.graph.onnx_graph import OnnxReading
from splittool.graph.onnx_halves import TYPES, OnnxHalves
from splittool.graph.onnx_operations import OnnxCut
from splittool.graph.reading import load_model
from splittool.runtime.onnx_file import OnnxFile
from splittool.runtime.onnx_runtime import OnnxSession


def _reading(path: Path, *shapes: str) -> OnnxReading:
    return OnnxReading(OnnxFile(path), load_model(path, shapes))


def _cut(path: Path, *names: str, shapes: tuple[str, ...] = ()) -> OnnxCut:
    """Write head.onnx and tail.onnx beside a network, and hold them against it."""
    reading = _reading(path, *shapes)
    found = reading.find_cut(*names)
    fixed = [op.outputs[0] for op in reading.graph.parameters] if shapes else None
    halves = OnnxHalves(reading.file, found, fixed)
    halves.write_head(path.with_name("head.onnx"))
    halves.write_tail(path.with_name("tail.onnx"))
    inputs = random_input(reading.model)
    whole, head, tail = (OnnxSession(path.with_name(f)) for f in (path.name, *HALVES))
    assert [port.name for port in head.outputs] == [port.name for port in tail.inputs]
    crossing = head.run([inputs[port.name] for port in head.inputs])
    expected = whole.run([inputs[port.name] for port in whole.inputs])
    for one, other in zip(expected, tail.run(crossing), strict=True):
        # ONNX Runtime computes halves of 16 bits in 32, and rounds where one ends.
        assert np.allclose(one, other, rtol=0, atol=1e-3 if one.dtype == np.float16 else 0)
    return found


HALVES = ("head.onnx", "tail.onnx")


def _halves(path: Path) -> tuple[Any, Any]:
    first, second = (onnx.load(path.with_name(name)) for name in HALVES)
    return first, second


def test_the_skip_nobody_named_crosses_too(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    assert _cut(path, "op/pool").values == ["skip", "pool"]
    head, tail = _halves(path)
    assert [each.name for each in head.graph.initializer] == ["w1"]
    assert [each.name for each in tail.graph.initializer] == ["w2", "scales"]
    for half in (head, tail):
        onnx.checker.check_model(half, full_check=True)


def test_everything_that_is_said_of_a_network_is_kept(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    _cut(path, "op/pool")
    whole = onnx.load(path)
    for half in _halves(path):
        for name in ("ir_version", "producer_name", "opset_import", "metadata_props"):
            assert getattr(half, name) == getattr(whole, name)
        assert half.graph.doc_string == "what it is for"
    nodes = [each for half in _halves(path) for each in half.graph.node]
    assert nodes == list(whole.graph.node)


def test_a_network_of_two_outputs_hands_on_the_one_that_the_head_makes(tmp_path: Path) -> None:
    nodes = [node("Relu", "early", "x"), node("Tanh", "late", "early")]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x")], [value("early"), value("late")], []), path)
    assert _cut(path, "early").values == ["early"]


def test_an_input_that_the_tail_reads_crosses(tmp_path: Path) -> None:
    nodes = [node("Relu", "head", "x"), node("Add", "sum", "head", "x"), node("Tanh", "y", "sum")]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x")], [value("y")], []), path)
    assert _cut(path, "op/head").values == ["x", "head"]


def test_weights_beside_the_model_get_a_file_beside_each_half(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=90
    )
    _cut(path, "op/pool")
    raw = onnx.load(path.with_name("head.onnx"), load_external_data=False)
    entries = {each.key: each.value for each in raw.graph.initializer[0].external_data}
    assert entries == {"location": "head.onnx.data", "offset": "0", "length": "64"}
    assert path.with_name("head.onnx.data").stat().st_size == 64


@pytest.mark.parametrize("location", ["/etc/hostname", "../whole.onnx", "missing.bin"])
def test_weights_that_are_not_beside_the_model_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = two_levels(folder / "whole.onnx")
    reading = _reading(path)
    found = reading.find_cut("op/pool")
    changed = onnx.load(path)
    tensor = changed.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    two_levels(tmp_path / "whole.onnx")
    onnx.save(changed, folder / "changed.onnx")
    with pytest.raises(InputError, match="beside the model"):
        OnnxHalves(OnnxFile(folder / "changed.onnx"), found).write_head(folder / "head.onnx")


def test_large_weights_are_not_held_in_memory(tmp_path: Path) -> None:
    size = 8 << 20
    nodes = [node("Relu", "a", "x"), node("Mul", "b", "a", "w"), node("Tanh", "y", "b")]
    whole = model(nodes, [value("x", (1,))], [value("y", (size,))], [weight("w", np.ones(size))])
    path = tmp_path / "whole.onnx"
    onnx.save(whole, path, save_as_external_data=True, location="w.bin")
    reading = _reading(path)
    halves = OnnxHalves(reading.file, reading.find_cut("op/a"))
    tracemalloc.start()
    halves.write_tail(tmp_path / "tail.onnx")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "tail.onnx.data").stat().st_size == 4 * size
    assert peak < 2 * size  # bytes; the weights have four times as many as elements


def test_half_precision_stays(tmp_path: Path) -> None:
    half = onnx.TensorProto.FLOAT16
    nodes = [
        node("Conv", "first", "x", "w"),
        node("Relu", "second", "first"),
        node("Tanh", "y", "second"),
    ]
    weights = [weight("w", np.ones((4, 4, 1, 1)), np.float16)]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x", SHAPE, half)], [value("y", SHAPE, half)], weights), path)
    found = _cut(path, "op/second")
    assert [tensor.type for tensor in found.cut.tensors] == ["f16"]
    head, _ = _halves(path)
    assert head.graph.output[0].type.tensor_type.elem_type == half
    assert head.graph.initializer[0].data_type == half


def test_a_quantised_network_sends_the_bytes_it_is_cut_at(tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "q", "x", "scale", "zero"),
        node("DequantizeLinear", "d", "q", "scale", "zero"),
        node("DequantizeLinear", "w", "wq", "scale", "zero8"),
        node("Conv", "c", "d", "w"),
        node("QuantizeLinear", "cq", "c", "scale", "zero"),
        node("DequantizeLinear", "cd", "cq", "scale", "zero"),
        node("Sigmoid", "y", "cd"),
    ]
    rng = np.random.default_rng(0)
    weights = [
        weight("scale", 0.05),
        weight("zero", 128, np.uint8),
        weight("zero8", 0, np.int8),
        weight("wq", rng.integers(-9, 9, (4, 4, 1, 1)), np.int8),
    ]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x")], [value("y")], weights), path)
    reading = _reading(path)
    at = [op.name for op in reading.graph.operations if op.works and op.outputs[0].type == "u8"]
    found = _cut(path, at[-1])
    assert [tensor.type for tensor in found.cut.tensors] == ["u8"]
    head, tail = _halves(path)
    assert head.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [each.op_type for each in tail.graph.node] == ["DequantizeLinear", "Sigmoid"]


def test_a_value_called_input_is_not_the_cut_before_all(tmp_path: Path) -> None:
    """PyTorch has called values so that a convolution puts out."""
    first = onnx.helper.make_node("Conv", ["pixels", "w"], ["input"], "op/first")
    path = tmp_path / "whole.onnx"
    nodes = [first, node("Relu", "middle", "input"), node("Relu", "maps", "middle")]
    onnx.save(model(nodes, [value("pixels")], [value("maps")], [kernel("w")]), path)
    assert _cut(path, "op/first").values == ["input"]
    assert extract_halves(path, ["op/first"], tmp_path).values == ["input"]


def test_operations_of_other_domains_stay(tmp_path: Path) -> None:
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("com.microsoft", 1)]
    nodes = [
        node("Relu", "first", "x"),
        node("Gelu", "second", "first", domain="com.microsoft"),
        node("Tanh", "y", "second"),
    ]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x")], [value("y")], [], opsets=opsets), path)
    _cut(path, "op/first")
    _, tail = _halves(path)
    assert tail.graph.node[0].domain == "com.microsoft"
    assert list(tail.opset_import) == opsets


def test_branches_get_what_they_read_from_outside(tmp_path: Path) -> None:
    def branch(kind: str) -> Any:
        return onnx.helper.make_graph([node(kind, kind, "scale", "start")], kind, [], [value(kind)])

    nodes = [
        node("Sigmoid", "scale", "x"),
        node("Relu", "start", "x"),
        node("If", "chosen", "go", then_branch=branch("Mul"), else_branch=branch("Add")),
        node("Tanh", "y", "chosen"),
    ]
    flag = value("go", (), onnx.TensorProto.BOOL)
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x"), flag], [value("y")], []), path)
    found = _cut(path, "op/start", "op/scale")
    assert sorted(found.values) == ["go", "scale", "start"]


def test_a_tail_that_asks_for_the_size_of_an_early_tensor_need_not_be_sent_it(
    tmp_path: Path,
) -> None:
    nodes = [
        node("Conv", "first", "x", "w"),
        node("GlobalAveragePool", "pooled", "first"),
        node("Shape", "size", "first", start=1),
        node("Concat", "wanted", "one", "size", axis=0),
        node("Expand", "spread", "pooled", "wanted"),
        node("Tanh", "y", "spread"),
    ]
    weights = [kernel("w"), weight("one", [1], np.int64)]
    path = tmp_path / "whole.onnx"
    shape = ("batch", 4, "height", "width")
    onnx.save(model(nodes, [value("x", shape)], [value("y", shape)], weights), path)
    found = _cut(path, "op/pooled", shapes=("1x4x6x6",))
    assert found.values == ["pooled"]
    head, tail = _halves(path)
    assert "size" in [each.name for each in tail.graph.initializer]
    sizes = [each.dim_value for each in head.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == list(SHAPE)  # the halves are for the shape they were cut at


def test_old_files_list_their_weights_among_the_inputs(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    whole = onnx.load(path)
    whole.ir_version = 3
    whole.graph.input.extend(value(each.name, each.dims) for each in whole.graph.initializer)
    onnx.save(whole, path)
    reading = _reading(path)
    halves = OnnxHalves(reading.file, reading.find_cut("op/pool"))
    halves.write_head(tmp_path / "head.onnx")
    halves.write_tail(tmp_path / "tail.onnx")
    head, tail = _halves(path)
    assert [each.name for each in head.graph.input] == ["pixels", "w1"]
    assert [each.name for each in tail.graph.input] == ["skip", "pool", "w2", "scales"]


def test_a_part_of_an_operation_is_refused_and_its_end_named(tmp_path: Path) -> None:
    nodes = [node("Gemm", "product", "x", "w", "b"), node("Relu", "y", "product")]
    weights = [weight("w", np.ones((4, 4))), weight("b", np.ones(4))]
    path = tmp_path / "whole.onnx"
    onnx.save(model(nodes, [value("x", (1, 4))], [value("y", (1, 4))], weights), path)
    reading = _reading(path)
    part = next(op.name for op in reading.graph.operations if op.type == "MatMul")
    with pytest.raises(InputError, match=r"only a part of an operation .* cut at 'op/product'"):
        reading.find_cut(part)


def test_every_place_of_both_graphs_sends_the_same(tmp_path: Path) -> None:
    path = two_levels(tmp_path / "whole.onnx")
    reading = _reading(path)
    whole: ov.Model = reading.model
    for name in list(read_graph(whole).by_name)[:-1]:
        try:
            found = reading.find_cut(name)
        except InputError as error:
            assert "only a part" in str(error)  # noqa: PT017
            continue
        names = [port.get_names() for port in _ports(whole, found)]
        assert all(one in several for one, several in zip(found.values, names, strict=True))


def _ports(whole: ov.Model, found: OnnxCut) -> list[ov.Output]:
    nodes = whole.get_ordered_ops()
    return [nodes[index].output(port) for index, port in found.cut.crossing]


def test_the_numbers_of_types_are_those_of_onnx() -> None:
    names = "FLOAT UINT8 INT8 UINT16 INT16 INT32 INT64 STRING BOOL FLOAT16 DOUBLE UINT32 UINT64"
    ours = "f32 u8 i8 u16 i16 i32 i64 string boolean f16 f64 u32 u64"
    pairs = dict(zip(ours.split(), names.split(), strict=True))
    pairs |= {"bf16": "BFLOAT16", "f8e4m3": "FLOAT8E4M3FN", "f8e5m2": "FLOAT8E5M2"}
    pairs |= {"u4": "UINT4", "i4": "INT4"}
    assert {ours: onnx.TensorProto.DataType.Value(name) for ours, name in pairs.items()} == TYPES
