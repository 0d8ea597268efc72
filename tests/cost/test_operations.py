from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as op
from openvino import opset16

from splittool.cost.operations import flops, macs, operation_costs
from splittool.cost.splits import activation_memory
from splittool.graph.graph import Graph, Operation, read_graph


def _only(build: Callable[[ov.Node], ov.Node], shape: tuple[int, ...]) -> tuple[Graph, Operation]:
    """A graph of one operation on a parameter, and the operation."""
    x = op.parameter(list(shape), ov.Type.f32, name="x")
    node = build(x)
    node.set_friendly_name("it")
    graph = read_graph(ov.Model([op.result(node.output(0))], [x], "m"))
    return graph, graph.by_name["it"]


def _ones(*shape: int) -> ov.Node:
    return op.constant(np.ones(shape, dtype=np.float32))


IMAGE = (1, 4, 8, 6)  # 192 elements

CASES: dict[str, tuple[Callable[[ov.Node], ov.Node], tuple[int, ...], int, int]] = {
    # 5 output maps of 8x6, each a sum of 4 * 3 * 3 products.
    "convolution": (
        lambda x: op.convolution(x, _ones(5, 4, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]),
        IMAGE,
        2 * 5 * 48 * 36,
        5 * 48 * 36,
    ),
    "strided convolution": (
        lambda x: op.convolution(x, _ones(5, 4, 2, 2), [2, 2], [0, 0], [0, 0], [1, 1]),
        IMAGE,
        2 * 5 * 12 * 16,
        5 * 12 * 16,
    ),
    # 2 groups of 3 maps, each a sum of 2 * 3 * 3 products.
    "group convolution": (
        lambda x: op.group_convolution(x, _ones(2, 3, 2, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1]),
        IMAGE,
        2 * 6 * 48 * 18,
        6 * 48 * 18,
    ),
    # Every input value is multiplied into 5 maps of 2x2.
    "transposed convolution": (
        lambda x: op.convolution_backprop_data(x, _ones(4, 5, 2, 2), [2, 2]),
        IMAGE,
        2 * 192 * 5 * 4,
        192 * 5 * 4,
    ),
    "matrix product": (lambda x: op.matmul(x, _ones(7, 9), False, False), (3, 7), 2 * 189, 189),
    "transposed matrix product": (
        lambda x: op.matmul(x, _ones(7, 9), True, False),
        (7, 3),
        2 * 189,
        189,
    ),
    "max pool": (
        lambda x: op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 3]),
        IMAGE,
        4 * 4 * 2 * 6,
        0,
    ),
    "average pool": (
        lambda x: op.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], True),
        IMAGE,
        4 * 4 * 3 * 4,
        0,
    ),
    "relu": (op.relu, IMAGE, 2 * 192, 0),
    "prelu": (lambda x: op.prelu(x, _ones(1)), IMAGE, 2 * 192, 0),
    "elu": (lambda x: op.elu(x, 1.0), IMAGE, 3 * 192, 0),
    "sigmoid": (op.sigmoid, IMAGE, 3 * 192, 0),
    "tanh": (op.tanh, IMAGE, 6 * 192, 0),
    "clamp": (lambda x: op.clamp(x, 0.0, 6.0), IMAGE, 2 * 192, 0),
    "softmax": (lambda x: op.softmax(x, 1), IMAGE, 5 * 192, 0),
    "swish": (op.swish, IMAGE, 5 * 192, 0),
    "hswish": (op.hswish, IMAGE, 4 * 192, 0),
    "add": (lambda x: op.add(x, _ones(1)), IMAGE, 192, 0),
    "subtract": (lambda x: op.subtract(x, _ones(1)), IMAGE, 192, 0),
    "multiply": (lambda x: op.multiply(x, _ones(1)), IMAGE, 192, 0),
    "divide": (lambda x: op.divide(x, _ones(1)), IMAGE, 192, 0),
    "concat": (lambda x: op.concat([x, x], 1), IMAGE, 0, 0),
    "reshape": (lambda x: op.reshape(x, op.constant([1, -1]), False), IMAGE, 0, 0),
    "transpose": (lambda x: op.transpose(x, op.constant([0, 2, 3, 1])), IMAGE, 0, 0),
    "convert": (lambda x: op.convert(x, "f16"), IMAGE, 0, 0),
    "identity": (opset16.identity, IMAGE, 0, 0),
    # Input channels 4 in 2 groups of 2, each to 3 maps of 2x2, in steps of 2.
    "grouped transposed convolution": (
        lambda x: op.group_convolution_backprop_data(x, _ones(2, 2, 3, 2, 2), [2, 2]),
        IMAGE,
        2 * 192 * 3 * 4,
        192 * 3 * 4,
    ),
    "einsum": (lambda x: op.einsum([x, _ones(7, 9)], "ij,jk->ki"), (3, 7), 2 * 189, 189),
    # 5 scores for each of 3 queries; a score takes 4 products, and weighs a value of 6.
    "attention": (
        lambda x: op.scaled_dot_product_attention(x, _ones(1, 5, 4), _ones(1, 5, 6)),
        (1, 3, 4),
        2 * 3 * 5 * (4 + 6) + 6 * 3 * 5,
        3 * 5 * (4 + 6),
    ),
    # 2 images in 7 steps, 3 values in and a state of 5: 20 gates read 3 + 5 values at each.
    "lstm": (
        lambda x: op.lstm_sequence(
            x,
            _ones(2, 1, 5),
            _ones(2, 1, 5),
            op.constant([7, 7]),
            _ones(1, 20, 3),
            _ones(1, 20, 5),
            _ones(1, 20),
            5,
            "forward",
        ),
        (2, 7, 3),
        14 * (2 * 20 * 8 + 33 * 5),
        14 * 20 * 8,
    ),
    "gru cell": (
        lambda x: op.gru_cell(x, _ones(2, 5), _ones(15, 3), _ones(15, 5), _ones(15), 5),
        (2, 3),
        2 * (2 * 15 * 8 + 23 * 5),
        2 * 15 * 8,
    ),
    "rnn cell": (
        lambda x: op.rnn_cell(
            x, _ones(2, 5), _ones(5, 3), _ones(5, 5), _ones(5), 5, ["tanh"], [], []
        ),
        (2, 3),
        2 * (2 * 5 * 8 + 8 * 5),
        2 * 5 * 8,
    ),
    "batch normalisation": (
        lambda x: op.batch_norm_inference(x, _ones(4), _ones(4), _ones(4), _ones(4), 1e-5),
        IMAGE,
        2 * 192,
        0,
    ),
    "mean": (lambda x: op.reduce_mean(x, op.constant([2, 3]), False), IMAGE, 192 + 4, 0),
    "sum": (lambda x: op.reduce_sum(x, op.constant([2, 3]), False), IMAGE, 192, 0),
    "euclidean norm": (lambda x: op.reduce_l2(x, op.constant([1]), False), IMAGE, 384 + 48, 0),
    "erf": (op.erf, IMAGE, 192, 0),
    "negative": (op.negative, IMAGE, 192, 0),
    "square root": (op.sqrt, IMAGE, 192, 0),
    "logarithm": (op.log, IMAGE, 192, 0),
    "hard sigmoid": (
        lambda x: op.hard_sigmoid(x, op.constant(np.float32(0.2)), op.constant(np.float32(0.5))),
        IMAGE,
        4 * 192,
        0,
    ),
    # 3 channels at a time, or 3x3 pixels.
    "response across channels": (
        lambda x: op.lrn(x, op.constant([1]), 1.0, 0.5, 1.0, 3),
        IMAGE,
        (3 + 5) * 192,
        0,
    ),
    "response across pixels": (
        lambda x: op.lrn(x, op.constant([2, 3]), 1.0, 0.5, 1.0, 3),
        IMAGE,
        (9 + 5) * 192,
        0,
    ),
    "mean and variance": (
        lambda x: op.mvn(x, op.constant([2, 3]), True, 1e-5, "inside_sqrt"),
        IMAGE,
        5 * 192,
        0,
    ),
    "mean alone": (
        lambda x: op.mvn(x, op.constant([2, 3]), False, 1e-5, "inside_sqrt"),
        IMAGE,
        2 * 192,
        0,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_operations_by_hand(name: str) -> None:
    build, shape, expected_flops, expected_macs = CASES[name]
    graph, operation = _only(build, shape)
    assert flops(graph, operation) == expected_flops
    assert macs(graph, operation) == expected_macs


def test_operations_without_a_rule_are_not_guessed() -> None:
    def build(x: ov.Node) -> ov.Node:
        return op.topk(x, op.constant(2), 1, "max", "value")

    graph, operation = _only(build, IMAGE)
    assert flops(graph, operation) is None
    assert macs(graph, operation) == 0


def test_the_papers_network(paper_graph: Graph) -> None:
    """The body alone: the paper's network gets its pixels normalised."""
    body = {
        index: cost
        for index, cost in operation_costs(paper_graph).items()
        if not paper_graph.operations[index].name.startswith("normalise")
    }
    assert sum(cost.flops or 0 for cost in body.values()) == 9_740_083_200
    assert sum(cost.macs for cost in body.values()) == 4_810_342_400
    assert sum(cost.parameters for cost in body.values()) == 686_868
    assert all(cost.flops is not None for cost in body.values())
    memory = activation_memory(paper_graph, body)
    assert memory.live_elements == 13_107_200
    assert memory.sum_elements == 107_955_200
    assert memory.live_bytes == 4 * memory.live_elements
    assert memory.sum_bytes == 4 * memory.sum_elements


def test_shared_weights_count_once() -> None:
    weights = _ones(4, 4, 1, 1)

    def twice(x: ov.Node) -> ov.Node:
        once = op.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1])
        return op.convolution(once, weights, [1, 1], [0, 0], [0, 0], [1, 1])

    graph, _ = _only(twice, IMAGE)
    costs = list(operation_costs(graph).values())
    assert [cost.parameters for cost in costs] == [16, 0]
    assert [cost.weight_bytes for cost in costs] == [64, 0]
    assert costs[0].flops == costs[1].flops


def test_halved_weights_are_counted_as_stored() -> None:
    def build(x: ov.Node) -> ov.Node:
        stored = op.constant(np.ones((4, 4, 1, 1), dtype=np.float16))
        return op.convolution(x, op.convert(stored, "f32"), [1, 1], [0, 0], [0, 0], [1, 1])

    graph, operation = _only(build, IMAGE)
    costs = operation_costs(graph)
    assert list(costs) == [operation.index]  # the conversion is done when the model is loaded
    assert costs[operation.index].parameters == 16
    assert costs[operation.index].weight_bytes == 32
    assert costs[operation.index].flops == 2 * 4 * 48 * 4


def test_whole_numbers_are_no_weights() -> None:
    graph, operation = _only(lambda x: op.reshape(x, op.constant([1, -1]), False), IMAGE)
    assert operation_costs(graph)[operation.index].parameters == 0


def test_a_value_spread_over_a_kernel_counts_as_the_kernel() -> None:
    def build(x: ov.Node) -> ov.Node:
        one = op.constant(np.float32(0.5))
        kernel = op.broadcast(one, op.constant([5, 4, 3, 3]))
        return op.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1])

    graph, operation = _only(build, IMAGE)
    cost = operation_costs(graph)[operation.index]
    assert (cost.parameters, cost.weight_bytes) == (180, 720)


def test_all_weights_of_an_operation_count() -> None:
    x = op.parameter([1, 3, 4, 4], ov.Type.f32, name="x")
    constants = [op.constant(np.full(3, value, np.float32)) for value in (1, 2, 3, 4)]
    node = op.batch_norm_inference(x, *constants, 1e-5)
    graph = read_graph(ov.Model([op.result(node)], [x], "m"))
    (cost,) = operation_costs(graph).values()
    assert (cost.parameters, cost.weight_bytes) == (4 * 3, 4 * 3 * 4)
