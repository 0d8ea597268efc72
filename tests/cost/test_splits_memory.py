import openvino as ov
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as op

from splittool.cost.splits import Memory, activation_memory
from splittool.graph.graph import Graph, read_graph


def _chain(length: int, skip: bool) -> Graph:
    """Additions of 10-element tensors; the last one reads the first again if `skip`."""
    x = op.parameter([1, 10], ov.Type.f32, name="x")
    first = node = op.relu(x)
    for _ in range(length - 1):
        node = op.abs(node)
    return read_graph(ov.Model([op.result(op.add(node, first if skip else node))], [x], "m"))


def _all(graph: Graph) -> Memory:
    return activation_memory(graph, [operation.index for operation in graph.by_name.values()])


def test_a_chain_needs_two_tensors_at_a_time() -> None:
    memory = _all(_chain(5, skip=False))
    assert memory == Memory(70, 280, 20, 80)  # the input, five links and the sum


def test_a_skip_connection_stays_alive() -> None:
    memory = _all(_chain(5, skip=True))
    assert memory.live_elements == 30
    assert memory.sum_elements == 70


def test_an_unused_output_takes_no_place() -> None:
    x = op.parameter([1, 1, 4, 4], ov.Type.f32, name="x")
    pooled = op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])  # has indices nobody reads
    memory = _all(read_graph(ov.Model([op.result(pooled.output(0))], [x], "m")))
    assert memory.sum_elements == memory.live_elements == 20


def test_what_is_sent_stays_to_the_end() -> None:
    graph = _chain(4, skip=True)
    operations = list(graph.by_name.values())
    head = activation_memory(graph, [operation.index for operation in operations[:3]])
    # The first is read by the tail: it lives on beside the two that a chain needs.
    assert head.live_elements == 30
    assert head.sum_elements == 40


def test_nothing_needs_nothing() -> None:
    assert activation_memory(_chain(2, skip=False), []) == Memory(0, 0, 0, 0)


@given(st.integers(1, 8), st.booleans(), st.data())
def test_the_live_set_lies_between_one_tensor_and_all(
    length: int, skip: bool, data: st.DataObject
) -> None:
    graph = _chain(length, skip)
    operations = list(graph.by_name.values())
    count = data.draw(st.integers(1, len(operations)))
    memory = activation_memory(graph, [operation.index for operation in operations[:count]])
    assert 20 <= memory.live_elements <= memory.sum_elements
