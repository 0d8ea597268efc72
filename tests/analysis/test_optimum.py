"""The minimum cut against brute force over all closed cuts."""

import math
import random
import time
from itertools import combinations

import numpy as np
import openvino as ov
import pytest
from openvino import opset6 as ops
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

from splittool.analysis.optimum import Times, best_cut
from splittool.errors import InputError
from splittool.ir.graph import Graph, Operation, TensorInfo, read_graph
from splittool.ir.splits import find_cut


def tensor(name: str, elements: int) -> TensorInfo:
    return TensorInfo(name, (1, elements), "f32", 32)


def random_graph(chance: random.Random, size: int, outputs: int = 3) -> Graph:
    """Operations that read one to three earlier tensors; what nobody reads is a result."""
    operations: list[Operation] = []
    sources: list[tuple[int, int]] = []

    def add(kind: str, inputs: tuple[tuple[int, int], ...], ports: int) -> None:
        index = len(operations)
        shapes = tuple(tensor(f"n{index}.{p}", chance.randint(1, 50)) for p in range(ports))
        operations.append(Operation(index, f"n{index}", kind, inputs, shapes, {}, False))
        if kind != "Result":
            sources.extend((index, port) for port in range(ports))

    for _ in range(chance.randint(1, 2)):
        add("Parameter", (), 1)
    for _ in range(size):
        near = sources[-chance.choice([2, 4, 50]) :]
        inputs = tuple(chance.choice(near) for _ in range(chance.choice([1, 1, 2, 3])))
        add("Relu", inputs, chance.choice([1, 1, 1, outputs]))
    read = {source for operation in operations for source in operation.inputs}
    for source in sources:
        if source not in read or chance.random() < 0.1:
            add("Result", (source,), 1)
    return Graph(tuple(operations))


def random_times(chance: random.Random, graph: Graph) -> Times:
    """Times from nothing to 100 ms, quicker in the cloud mostly; links slow, quick and between."""
    work = [operation.index for operation in graph.by_name.values()]
    slow = chance.choice([1e-5, 1e-4, 1e-3, 1e-2])
    link = {source: graph.tensor(source).elements * slow for source in graph.consumers}
    edge = {index: chance.choice([0, 1, 1, 3]) * chance.random() * 0.1 for index in work}
    return Times(edge, {index: chance.random() * 0.03 for index in work}, link)


def cost(graph: Graph, times: Times, head: frozenset[int] | set[int]) -> float:
    """By the definition: each crossing tensor once, each operation on its side."""
    held = head | {op.index for op in graph.parameters}
    total = sum((times.edge if i in head else times.cloud)[i] for i in times.edge)
    for source, readers in graph.consumers.items():
        if source[0] in held and any(reader not in held for reader in readers):
            total += times.link[source]
    return total


def closed_heads(graph: Graph) -> list[frozenset[int]]:
    work = [operation.index for operation in graph.by_name.values()]
    given = {operation.index for operation in graph.parameters}
    return [
        frozenset(head)
        for count in range(len(work) + 1)
        for head in combinations(work, count)
        if all(u in given or u in head for i in head for u, _ in graph.operations[i].inputs)
    ]


@pytest.mark.parametrize("seed", range(200))
def test_the_minimum_cut_is_the_best_of_all_closed_cuts(seed: int) -> None:
    chance = random.Random(seed)
    graph = random_graph(chance, chance.randint(1, 10))
    times = random_times(chance, graph)
    cut = best_cut(graph, times)
    assert cut is not None
    best = min(cost(graph, times, head) for head in closed_heads(graph))
    assert cost(graph, times, set(cut.head)) == pytest.approx(best, abs=1e-10)
    assert find_cut(graph, *cut.at).head == cut.head
