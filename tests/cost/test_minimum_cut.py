"""The minimum cut against brute force over all closed cuts."""

import random
import time
from dataclasses import replace
from itertools import combinations

import pytest

from splittool.cost.energy import EnergyModel, operation_joules
from splittool.cost.minimum_cut import CutCosts, best_cut
from splittool.errors import InputError
from splittool.graph.graph import Graph, Operation, TensorInfo
from splittool.graph.split_points import Cut, ends, find_cut
from splittool.reports import EdgeEnergyRecord, EnergyRecord, RadioRecord


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


def random_times(chance: random.Random, graph: Graph) -> CutCosts:
    """Times from nothing to 100 ms, quicker in the cloud mostly; links slow, quick and between."""
    work = [operation.index for operation in graph.by_name.values()]
    slow = chance.choice([1e-5, 1e-4, 1e-3, 1e-2])
    link = {source: graph.tensor(source).elements * slow for source in graph.consumers}
    scale = chance.choice([0.01, 0.03, 0.1])
    edge = {index: chance.choice([0, 1, 1, 3]) * chance.random() * scale for index in work}
    return CutCosts(edge, {index: chance.random() * 0.03 for index in work}, link)


def cost(graph: Graph, times: CutCosts, head: frozenset[int] | set[int]) -> float:
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


def random_energies(chance: random.Random, graph: Graph, times: CutCosts) -> CutCosts:
    """Joules of devices with radios and idle powers of any strength."""
    radio = RadioRecord("radio", chance.choice([0, 10, 300]), chance.choice([0, 100, 5000]))
    edge = EdgeEnergyRecord("given", watts=chance.choice([0.1, 1.5, 10]))
    idle = chance.choice([None, 0.01, 0.5, 5])
    model = EnergyModel(EnergyRecord(edge, radio, idle), chance.choice([0.1, 10, 1000]))
    sizes = {source: graph.tensor(source).elements * 1e3 for source in graph.consumers}
    joules = operation_joules(edge, graph, {}, times.edge)
    return model.costs(joules, times, sizes)


@pytest.mark.parametrize("seed", range(200))
def test_the_cut_of_least_energy_is_the_best_of_all_closed_cuts(seed: int) -> None:
    chance = random.Random(seed)
    graph = random_graph(chance, chance.randint(1, 10))
    energies = random_energies(chance, graph, random_times(chance, graph))
    cut = best_cut(graph, energies)
    assert cut is not None
    best = min(cost(graph, energies, head) for head in closed_heads(graph))
    assert cost(graph, energies, set(cut.head)) == pytest.approx(best, abs=1e-10)
    assert find_cut(graph, *cut.at).head == cut.head


def harder(chance: random.Random, graph: Graph) -> Graph:
    """The same with tensors of open size and a state, read and written somewhere."""
    operations = list(graph.operations)
    work = [operation.index for operation in graph.by_name.values()]
    for index in chance.sample(work, len(work) // 4):
        outputs = tuple(replace(t, shape=None) for t in operations[index].outputs)
        operations[index] = replace(operations[index], outputs=outputs)
    reader, written = chance.choice(work), chance.choice(list(graph.consumers))
    operations[reader] = replace(operations[reader], type="ReadValue", variable="state")
    last = len(operations)
    writer = Operation(last, "write", "Assign", (written,), (tensor("write", 1),), {}, False)
    return Graph((*operations, replace(writer, variable="state")))


def legal_cuts(graph: Graph) -> list[Cut]:
    found = []
    for head in closed_heads(graph):
        try:
            cut = find_cut(graph, *ends(graph, head))
        except InputError:
            continue
        assert set(cut.head) == head
        found.append(cut)
    return found


def cost_of(cut: Cut, times: CutCosts) -> float:
    """By what the cut sends: a state that the head writes is no reader in the tail."""
    work = sum(times.edge[i] for i in cut.head) + sum(times.cloud[i] for i in cut.tail)
    return work + sum(times.link[source] for source in cut.crossing)


@pytest.mark.parametrize("seed", range(100))
def test_states_and_open_sizes_are_respected(seed: int) -> None:
    chance = random.Random(1000 + seed)
    graph = harder(chance, random_graph(chance, chance.randint(2, 9)))
    times = random_times(chance, graph)
    legal = legal_cuts(graph)
    cut = best_cut(graph, times)
    if cut is None:
        assert not legal
        return
    best = min(cost_of(other, times) for other in legal)
    assert cost_of(cut, times) == pytest.approx(best, abs=1e-10)


def chain(*kinds: str) -> Graph:
    """Each reads the one before; ten values each, the second two."""
    operations = [
        Operation(i, f"n{i}", kind, ((i - 1, 0),) if i else (), (tensor(f"n{i}", 10),), {}, False)
        for i, kind in enumerate(kinds)
    ]
    operations[1] = replace(operations[1], outputs=(tensor("n1", 2),))
    return Graph(tuple(operations))


def test_of_equal_cuts_the_one_that_leaves_most_to_the_cloud() -> None:
    graph = chain("Parameter", "Relu", "Relu", "Result")
    nothing = dict.fromkeys((1, 2), 0.0)
    cut = best_cut(graph, CutCosts(nothing, nothing, {(0, 0): 1.0, (1, 0): 1.0, (2, 0): 1.0}))
    assert cut is not None
    assert (cut.at, cut.head) == (("input",), ())


def test_a_quick_edge_cuts_where_least_is_sent() -> None:
    graph = chain("Parameter", "Relu", "Relu", "Result")
    times = CutCosts({1: 0.1, 2: 5.0}, {1: 0.1, 2: 0.1}, {(0, 0): 10.0, (1, 0): 2.0, (2, 0): 10.0})
    cut = best_cut(graph, times)
    assert cut is not None
    assert cut.at == ("n1",)


def test_a_thousand_operations_take_seconds_at_most() -> None:
    chance = random.Random(7)
    graph = random_graph(chance, 1000)
    times = random_times(chance, graph)
    start = time.perf_counter()
    cut = best_cut(graph, times)
    assert time.perf_counter() - start < 10  # 0.2 s on one core; for a machine busy with others
    assert cut is not None
    assert find_cut(graph, *cut.at).head == cut.head
