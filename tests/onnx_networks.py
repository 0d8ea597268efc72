"""ONNX files that tests make."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SHAPE = (1, 4, 6, 6)


def value(name: str, shape: Sequence[int | str] = SHAPE, kind: int | None = None) -> Any:
    """An input or output."""
    kind = onnx.TensorProto.FLOAT if kind is None else kind
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def node(kind: str, output: str, *inputs: str, **attributes: Any) -> Any:
    """An operation, named after its output with "op/" before it."""
    return onnx.helper.make_node(kind, inputs, [output], name=f"op/{output}", **attributes)


def weight(name: str, values: Any, dtype: Any = np.float32) -> Any:
    """A constant."""
    return onnx.numpy_helper.from_array(np.asarray(values, dtype), name)


def kernel(name: str, channels: int = 4, seed: int = 0) -> Any:
    """The kernel of a convolution of 1x1."""
    values = np.random.default_rng(seed).standard_normal((channels, channels, 1, 1))
    return weight(name, values)


def model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: list[Any], **more: Any
) -> Any:
    """A model with notes of every kind."""
    graph = onnx.helper.make_graph(nodes, "graph", inputs, outputs, weights)
    graph.doc_string = "what it is for"
    opsets = more.pop("opsets", [onnx.helper.make_opsetid("", 17)])
    made = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="tests", **more)
    made.ir_version = 8
    onnx.helper.set_model_props(made, {"made by": "tests"})
    return made


def two_levels(path: Path) -> Path:
    """A skip connection over a pooling: "op/pool" sends two tensors."""
    nodes = [
        node("Conv", "first", "pixels", "w1"),
        node("Relu", "skip", "first"),
        node("MaxPool", "pool", "skip", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "middle", "pool", "w2"),
        node("Resize", "up", "middle", "", "scales", mode="nearest"),
        node("Concat", "both", "up", "skip", axis=1),
        node("Sigmoid", "maps", "both"),
    ]
    weights = [kernel("w1"), kernel("w2", seed=1), weight("scales", [1, 1, 2, 2])]
    onnx.save(model(nodes, [value("pixels")], [value("maps", (1, 8, 6, 6))], weights), path)
    return path
