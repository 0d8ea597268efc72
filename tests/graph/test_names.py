import openvino as ov
from openvino import opset13 as op

from splittool.graph.graph import read_graph
from splittool.graph.names import name_operations
from splittool.network.network import Network


def _model() -> ov.Model:
    """A chain of two operations without a name, two with, and one that only its tensor names."""
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    named = op.relu(op.tanh(x))
    named.set_friendly_name("Relu_1")  # as many networks call theirs
    lent = op.add(named, x)
    lent.set_friendly_name(named.get_name())  # as front ends lend a count to a neighbour
    tensor = op.sigmoid(lent)
    tensor.output(0).get_tensor().set_names({"probability", "p"})
    last = op.relu(tensor)
    return ov.Model([op.result(last)], [x], "m")


def _names(model: ov.Model) -> list[str]:
    return list(read_graph(model).by_name)


def test_names_that_count_are_replaced_and_others_stay() -> None:
    model = _model()
    name_operations(model, _model)
    # "Relu_1" is the network's own, so the last one is the second.
    assert _names(model) == ["Tanh_1", "Relu_1", "Add_1", "p", "Relu_2"]


def test_every_reading_gives_the_same_names() -> None:
    first, second = _model(), _model()
    assert _names(first) != _names(second)
    for model in (first, second):
        name_operations(model, _model)
    assert _names(first) == _names(second)


def test_a_tensor_name_that_is_taken_is_not_given_twice() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    unnamed = op.tanh(x)
    unnamed.output(0).get_tensor().set_names({"relu"})
    named = op.relu(unnamed)
    named.set_friendly_name("relu")
    model = ov.Model([op.result(named)], [x], "m")
    name_operations(model, lambda: ov.Model([op.result(op.relu(op.tanh(x)))], [x], "m"))
    assert _names(model) == ["Tanh_1", "relu"]


def test_a_graph_without_such_names_is_not_read_again() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    relu = op.relu(x, name="first")

    def read_again() -> ov.Model:
        raise AssertionError

    name_operations(ov.Model([op.result(relu)], [x], "m"), read_again)


def test_a_model_in_memory_gets_names_too_and_is_not_changed() -> None:
    model = _model()
    before = [node.get_friendly_name() for node in model.get_ordered_ops()]
    names, others = (_names(Network.load(each).model) for each in (model, _model()))
    assert [names[place] for place in (0, 1, 3, 4)] == ["Tanh_1", "Relu_1", "p", "Relu_2"]
    assert [others[place] for place in (0, 1, 3, 4)] == ["Tanh_1", "Relu_1", "p", "Relu_2"]
    assert [node.get_friendly_name() for node in model.get_ordered_ops()] == before
