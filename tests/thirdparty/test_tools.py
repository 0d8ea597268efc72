"""Graphs that other tools cut wrong, beside what splittool makes of the same file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from splittool.cost.splits import describe_split_points
from splittool.errors import InputError
from splittool.graph.graph import read_graph
from splittool.graph.halves import Verifier, make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")

SKIPS = ["skip_1", "skip_2", "pool_2"]


class _Writer:
    """Collects the nodes of an ONNX graph; every node is named after its output."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.rng = np.random.default_rng(0)

    def add(self, kind: str, output: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        self.weights.append(onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def conv(self, output: str, source: str, channels: tuple[int, int], **attributes: Any) -> str:
        side = attributes.get("kernel_shape", [1, 1])[0]
        weights = self.rng.standard_normal((channels[1], channels[0], side, side))
        kernel = self.constant(f"{output}/weight", weights.astype(np.float32))
        return self.add("Conv", output, source, kernel, **attributes)

    def up(self, output: str, source: str, channels: tuple[int, int]) -> str:
        weights = self.rng.standard_normal((*channels, 2, 2)).astype(np.float32)
        kernel = self.constant(f"{output}/weight", weights)
        return self.add("ConvTranspose", output, source, kernel, strides=[2, 2])

    def write(self, path: Path, inputs: dict[str, list[int]], outputs: dict[str, Any]) -> Path:
        graph = helper.make_graph(
            self.nodes, "graph", _values(inputs), _values(outputs), initializer=self.weights
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def _values(shapes: dict[str, Any]) -> list[Any]:
    kind = onnx.TensorProto.FLOAT
    return [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()]


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two levels with a skip connection each."""
    graph = _Writer()
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    value = "pixels"
    for level, channels in ((1, (3, 4)), (2, (4, 6))):
        value = graph.conv(f"conv_{level}", value, channels, **same)
        value = graph.add("Relu", f"skip_{level}", value)
        value = graph.add("MaxPool", f"pool_{level}", value, **pool)
    value = graph.conv("bottom", value, (6, 8), **same)
    for level, channels in ((2, (8, 6)), (1, (6, 4))):
        value = graph.up(f"up_{level}", value, channels)
        value = graph.add("Concat", f"concat_{level}", value, f"skip_{level}", axis=1)
        value = graph.conv(f"decoded_{level}", value, (2 * channels[1], channels[1]), **same)
    graph.conv("logits", value, (4, 2))
    path = tmp_path_factory.mktemp("unet") / "unet.onnx"
    return graph.write(path, {"pixels": [1, 3, 16, 24]}, {"logits": [1, 2, 16, 24]})


def _require_proof(path: Path, *names: str) -> None:
    whole = load_model(path)
    graph = read_graph(whole)
    halves = make_halves(whole, graph, find_cut(graph, *names))
    assert Verifier.of(whole).verify(halves, 1e-5).holds


def test_splittool_sends_the_skips_nobody_named(unet: Path) -> None:
    cut = find_cut(read_graph(load_model(unet)), "pool_2")
    assert [tensor.name for tensor in cut.tensors] == SKIPS
    assert cut.elements == 4 * 16 * 24 + 6 * 8 * 12 + 6 * 4 * 6
    _require_proof(unet, "pool_2")


def test_polygraphy_reports_success_for_a_tail_that_reads_the_image(
    unet: Path, tmp_path: Path
) -> None:
    pytest.importorskip("polygraphy")
    pytest.importorskip("onnx_graphsurgeon")
    tail = tmp_path / "tail.onnx"
    run = subprocess.run(
        [
            *(sys.executable, "-c", "from polygraphy.tools import main; main()"),
            *("surgeon", "extract", str(unet), "-o", str(tail)),
            *("--inputs", "pool_2:auto:auto"),
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0
    assert "PASSED" in run.stdout
    graph = onnx.load(tail).graph
    assert [value.name for value in graph.input] == ["pool_2"]
    assert "pixels" in {name for node in graph.node for name in node.input}
    assert {"conv_1", "conv_2"} <= {node.name for node in graph.node}  # the head's work, again
    with pytest.raises(InputError, match="cannot be read as a model"):
        load_model(tail)


def test_onnx_blames_the_order_of_nodes_for_a_skip_nobody_named(unet: Path, tmp_path: Path) -> None:
    with pytest.raises(onnx.checker.ValidationError, match="topologically sorted"):
        onnx.utils.extract_model(unet, tmp_path / "tail.onnx", ["pool_2"], ["logits"])


def test_onnx_writes_a_broken_tail_unless_it_checks(unet: Path, tmp_path: Path) -> None:
    tail = tmp_path / "tail.onnx"
    onnx.utils.extract_model(unet, tail, ["pool_2"], ["logits"], check_model=False)
    assert [value.name for value in onnx.load(tail).graph.input] == ["pool_2"]
    with pytest.raises(InputError, match="cannot be read as a model"):
        load_model(tail)


def test_other_tools_make_the_cut_with_the_names_that_splittool_finds(
    unet: Path, tmp_path: Path
) -> None:
    tail = tmp_path / "tail.onnx"
    onnx.utils.extract_model(unet, tail, SKIPS, ["logits"])
    assert [port.get_any_name() for port in load_model(tail).inputs] == SKIPS


@pytest.fixture(scope="module")
def aspp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DeepLab's pyramid: a 1x1, three dilated convolutions and a pooled image, concatenated."""
    graph = _Writer()
    graph.add("Relu", "features", graph.conv("backbone", "pixels", (3, 6)))
    graph.conv("branch_1", "features", (6, 4))
    for number, rate in ((2, 2), (3, 4), (4, 6)):
        options = {"kernel_shape": [3, 3], "dilations": [rate] * 2, "pads": [rate] * 4}
        graph.conv(f"branch_{number}", "features", (6, 4), **options)
    graph.add("GlobalAveragePool", "mean", "features")
    size = graph.constant("size", np.array([1, 4, 8, 10], dtype=np.int64))
    graph.add("Expand", "branch_5", graph.conv("mean_conv", "mean", (6, 4)), size)
    graph.add("Concat", "concat", *(f"branch_{number}" for number in range(1, 6)), axis=1)
    graph.conv("logits", "concat", (20, 2))
    path = tmp_path_factory.mktemp("aspp") / "aspp.onnx"
    return graph.write(path, {"pixels": [1, 3, 8, 10]}, {"logits": [1, 2, 8, 10]})


def test_a_cut_before_a_concatenation_pays_for_every_branch(aspp: Path) -> None:
    names = [f"branch_{number}" for number in range(1, 6)]
    graph = read_graph(load_model(aspp))
    cut = find_cut(graph, *names)
    # The fifth is the same in every pixel, but what crosses the cut is what the name stands for.
    assert sorted(tensor.name for tensor in cut.tensors) == names
    assert cut.elements == 5 * 4 * 8 * 10 == find_cut(graph, "concat").elements
    _require_proof(aspp, *names)


def test_a_cut_in_one_branch_pays_for_what_the_others_still_read(aspp: Path) -> None:
    cut = find_cut(read_graph(load_model(aspp)), "branch_2")
    assert [tensor.name for tensor in cut.tensors] == ["features", "branch_2"]
    assert cut.elements == (6 + 4) * 8 * 10
    _require_proof(aspp, "branch_2")


def test_places_before_a_concatenation_list_every_branch(aspp: Path) -> None:
    places, refused = describe_split_points(read_graph(load_model(aspp)))
    assert not refused
    before = places[[place.point for place in places].index("concat") - 1]
    assert sorted(before.at) == [f"branch_{number}" for number in range(1, 6)]
    assert before.elements == 5 * 4 * 8 * 10


def test_boxes_that_survive_suppression_have_no_price(tmp_path: Path) -> None:
    graph = _Writer()
    graph.add("Sigmoid", "boxes", "raw_boxes")
    graph.add("Sigmoid", "scores", "raw_scores")
    limits = [
        graph.constant("most", np.array([5], dtype=np.int64)),
        graph.constant("overlap", np.array([0.5], dtype=np.float32)),
        graph.constant("least", np.array([0.4], dtype=np.float32)),
    ]
    graph.add("NonMaxSuppression", "kept", "boxes", "scores", *limits)
    graph.add("Cast", "found", "kept", to=onnx.TensorProto.FLOAT)
    inputs = {"raw_boxes": [1, 30, 4], "raw_scores": [1, 2, 30]}
    path = graph.write(tmp_path / "nms.onnx", inputs, {"found": ["kept", 3]})
    found = read_graph(load_model(path))
    with pytest.raises(InputError, match="depends on the data"):
        find_cut(found, "kept")
    _require_proof(path, "boxes", "scores")
    places, refused = describe_split_points(found)
    assert all(tensor.elements for place in places for tensor in place.tensors)
    assert refused


def test_a_loop_stays_whole_and_gets_what_its_body_reads(tmp_path: Path) -> None:
    body = helper.make_graph(
        [
            helper.make_node("Mul", ["state", "scale"], ["scaled"]),  # scale is from outside
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", onnx.TensorProto.INT64, []),
            helper.make_tensor_value_info("go", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", onnx.TensorProto.FLOAT, [1, 8]),
        ],
        [
            helper.make_tensor_value_info("on", onnx.TensorProto.BOOL, []),
            helper.make_tensor_value_info("scaled", onnx.TensorProto.FLOAT, [1, 8]),
        ],
    )
    graph = _Writer()
    graph.add("Sigmoid", "scale", "x")
    graph.add("Relu", "start", "x")
    graph.constant("times", np.array(3, dtype=np.int64))
    graph.constant("true", np.array(True))
    graph.add("Loop", "looped", "times", "true", "start", body=body)
    graph.add("Tanh", "y", "looped")
    path = graph.write(tmp_path / "loop.onnx", {"x": [1, 8]}, {"y": [1, 8]})
    found = read_graph(load_model(path))
    names = {tensor.name for tensor in find_cut(found, "start", "scale").tensors}
    assert names == {"start", "scale"}
    for name in ("start", "scale"):
        _require_proof(path, name)
    _require_proof(path, "start", "scale")
