import gc

import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as op

from splittool.graph.graph import Graph, TensorInfo, read_graph, uncollected, unique_names

NAMES = st.lists(st.sampled_from(["x", "x_2", "x_3", "x_2_2", "y", ""]), max_size=20)


@given(NAMES)
def test_names_become_unique_and_the_first_of_each_stays(names: list[str]) -> None:
    unique = unique_names(names)
    assert len(unique) == len(set(unique)) == len(names)
    for index, name in enumerate(names):
        assert unique[index].startswith(name)
        if name not in names[:index]:
            assert unique[index] == name


def test_later_names_are_numbered() -> None:
    assert unique_names(["x", "x", "x"]) == ["x", "x_2", "x_3"]
    assert unique_names(["x", "x", "x_2"]) == ["x", "x_3", "x_2"]


def _graph() -> Graph:
    x = op.parameter([1, 4, 2], ov.Type.f32, name="x")
    weights = op.relu(op.constant([1.0, 2.0], dtype=ov.Type.f32))
    parts = op.split(x, op.constant(1), 2)
    parts.set_friendly_name("parts")
    total = op.add(op.multiply(parts.output(0), weights), parts.output(1))
    total.set_friendly_name("total")
    return read_graph(ov.Model([op.result(total)], [x], "m"))


def test_what_depends_on_constants_alone_is_constant() -> None:
    constant = {operation.type for operation in _graph().operations if operation.constant}
    assert constant == {"Constant", "Relu"}


def test_operations_stand_after_what_they_read() -> None:
    graph = _graph()
    for place, operation in enumerate(graph.operations):
        assert operation.index == place
        assert all(source < place for source, _ in operation.inputs)


def test_outputs_of_one_operation_have_their_own_names() -> None:
    parts = _graph().by_name["parts"]
    assert [tensor.name for tensor in parts.outputs] == ["parts.0", "parts.1"]
    assert [tensor.shape for tensor in parts.outputs] == [(1, 2, 2), (1, 2, 2)]


def test_consumers_are_the_readers_of_a_port() -> None:
    graph = _graph()
    parts = graph.by_name["parts"].index
    kinds = [[graph.operations[i].type for i in graph.consumers[parts, port]] for port in (0, 1)]
    assert kinds == [["Multiply"], ["Add"]]


def test_split_points_are_what_data_flows_through() -> None:
    graph = _graph()
    assert {graph.by_name[name].type for name in graph.by_name} == {"Split", "Multiply", "Add"}
    assert [parameter.name for parameter in graph.parameters] == ["x"]


@pytest.mark.parametrize(
    ("shape", "bits", "elements", "size"),
    [((2, 3), 32, 6, 24), ((5,), 1, 5, 1), ((9,), 1, 9, 2), ((3,), 4, 3, 2), ((), 16, 1, 2)],
)
def test_tensor_sizes(shape: tuple[int, ...], bits: int, elements: int, size: int) -> None:
    tensor = TensorInfo("t", shape, "x", bits)
    assert (tensor.elements, tensor.bytes) == (elements, size)


def test_equal_friendly_names_are_told_apart() -> None:
    x = op.parameter([1], ov.Type.f32, name="x")
    first, second = op.relu(x), op.abs(x)
    for node in (first, second):
        node.set_friendly_name("same")
    graph = read_graph(ov.Model([op.result(op.add(first, second))], [x], "m"))
    assert {graph.by_name[name].type for name in ("same", "same_2")} == {"Relu", "Abs"}


@pytest.mark.parametrize("before", [True, False])
def test_collection_is_put_off_and_back(before: bool) -> None:
    @uncollected()
    def fails() -> None:
        raise RuntimeError("collecting" if gc.isenabled() else "not collecting")

    (gc.enable if before else gc.disable)()
    try:
        with pytest.raises(RuntimeError, match=r"^not collecting$"):
            fails()
        assert gc.isenabled() == before
    finally:
        gc.enable()
