"""Graphs that are priced by hand."""

import pytest
from openvino import Model, Type
from openvino import opset13 as op

from splittool.graph.graph import Graph, read_graph


@pytest.fixture(scope="module")
def small() -> Graph:
    """x (1, 4) -> Tanh (24 FLOPs) -> two Relu (8 each) -> Add (4) -> Tanh (24)."""
    x = op.parameter([1, 4], Type.f32, name="x")
    first = op.tanh(x)
    left, right = op.relu(first), op.relu(first)
    total = op.add(left, right)
    named = {"first": first, "left": left, "right": right, "total": total}
    for name, node in named.items():
        node.set_friendly_name(name)
    last = op.tanh(total)
    last.set_friendly_name("last")
    return read_graph(Model([op.result(last)], [x], "m"))
