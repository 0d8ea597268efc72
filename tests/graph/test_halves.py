import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvino import opset13 as op

from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import Halves, Verification, Verifier, make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut, split_points
from splittool.runtime.ir import ModelInfo, core, read_info, write_info, write_ir

F32 = {"INFERENCE_PRECISION_HINT": "f32"}

Value = ov.Output


class _Builder:
    """Grows a random graph of (1, 4, 2, 2) tensors and smaller ones."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        inputs = draw(st.integers(1, 2))
        self.parameters = [
            op.parameter([1, 4, 2, 2], ov.Type.f32, name=f"x{i}") for i in range(inputs)
        ]
        self.values: list[Value] = [parameter.output(0) for parameter in self.parameters]
        self.shared = op.constant(np.linspace(-1, 1, 4, dtype=np.float32).reshape(1, 4, 1, 1))
        self.nodes = 0

    def pick(self) -> Value:
        return self.draw(st.sampled_from(self.values))

    def whole(self) -> Value:
        """A value of full size: small ones are stretched."""
        value = self.pick()
        if tuple(value.get_shape()) == (1, 4, 2, 2):
            return value
        zeros = op.constant(np.zeros((1, 4, 2, 2), dtype=np.float32))
        return op.add(value, zeros).output(0)

    def add(self, node: ov.Node, outputs: int = 1) -> None:
        self.nodes += 1
        # Some operations share a name, some take one that looks like another's output.
        node.set_friendly_name(self.draw(st.sampled_from(["a", "a.0", "a.1", f"n{self.nodes}"])))
        self.values.extend(node.output(port) for port in range(outputs))

    def step(self) -> None:
        kind = self.draw(
            st.sampled_from(["relu", "add", "scale", "split", "small", "top", "pool", "concat"])
        )
        getattr(self, f"_{kind}")()

    def _relu(self) -> None:
        self.add(op.relu(self.pick()))

    def _add(self) -> None:
        self.add(op.add(self.whole(), self.pick()))

    def _scale(self) -> None:
        self.add(op.multiply(self.whole(), self.shared))  # one constant for many operations

    def _split(self) -> None:
        halves = op.split(self.whole(), op.constant(2), 2)  # (1, 4, 1, 2) each
        self.add(halves, 2)

    def _small(self) -> None:
        self.add(op.reduce_mean(self.whole(), op.constant([2, 3]), keep_dims=True))

    def _top(self) -> None:
        best = op.topk(self.whole(), op.constant(1), 1, "max", "value")  # indices go unused
        self.add(best, 1)

    def _pool(self) -> None:
        pooled = op.max_pool(self.whole(), [1, 1], [1, 1], [0, 0], [0, 0], [2, 2])
        self.add(pooled, 1)

    def _concat(self) -> None:
        both = op.concat([self.whole(), self.whole()], 1)
        self.add(op.split(both, op.constant(1), 2), 2)

    def model(self) -> ov.Model:
        for _ in range(self.draw(st.integers(1, 9))):
            self.step()
        count = self.draw(st.integers(1, 2))
        results = [op.result(self.values[-1]), *(op.result(self.pick()) for _ in range(count - 1))]
        return ov.Model(results, self.parameters, "random")


@st.composite
def _models(draw: st.DrawFn) -> ov.Model:
    return _Builder(draw).model()


def _run(model: ov.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    return [v.copy() for v in core().compile_model(model, "CPU", F32)(inputs).values()]


def _check_cut(whole: ov.Model, graph: Graph, name: str) -> bool:
    """Whether the cut could be made; it is right if so."""
    cut = find_cut(graph, name)
    moving = {operation.index for operation in graph.by_name.values()}
    assert not set(cut.head) & set(cut.tail)
    assert set(cut.head) | set(cut.tail) == moving
    if not cut.head or not cut.tail:
        with pytest.raises(InputError, match=r"leaves the (head|tail) empty"):
            make_halves(whole, graph, cut)
        return False
    head, tail = make_halves(whole, graph, cut)
    assert len(head.outputs) == len(tail.inputs) == len(cut.tensors)
    rng = np.random.default_rng(0)
    by_name = {
        port.get_node().get_friendly_name(): rng.standard_normal(port.get_shape(), np.float32)
        for port in whole.inputs
    }
    expected = _run(whole, list(by_name.values()))
    sent = _run(head, [by_name[p.get_node().get_friendly_name()] for p in head.inputs])
    for value, tensor in zip(sent, cut.tensors, strict=True):
        assert value.shape == tensor.shape
    found = _run(tail, sent)
    for one, other in zip(expected, found, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    assert Verifier.of(whole).verify(Halves(head, tail), 1e-4).holds
    return True


@settings(max_examples=12)
@given(_models())
def test_every_cut_of_any_graph_computes_the_whole(whole: ov.Model) -> None:
    graph = read_graph(whole)
    text = [operation.name for operation in graph.operations]
    for name in graph.by_name:
        _check_cut(whole, graph, name)
    # Cutting leaves the whole as it was.
    assert [operation.name for operation in read_graph(whole).operations] == text


@settings(max_examples=30)
@given(_models())
def test_every_place_of_any_graph_is_a_cut(whole: ov.Model) -> None:
    graph = read_graph(whole)
    work = [operation.index for operation in graph.by_name.values()]
    found = list(split_points(graph))
    assert [place.operation for place in found] == work[:-1]
    for number, place in enumerate(found, start=1):
        cut = find_cut(graph, *(graph.operations[index].name for index in place.ends))
        assert list(cut.head) == work[:number]
        assert cut.crossing == place.crossing


@settings(max_examples=6)
@given(_models())
def test_halves_on_disk_are_the_halves(whole: ov.Model) -> None:
    graph = read_graph(whole)
    for name in graph.by_name:
        cut = find_cut(graph, name)
        if not cut.head or not cut.tail:
            continue
        with tempfile.TemporaryDirectory() as folder:
            halves = []
            for half, stem in zip(make_halves(whole, graph, cut), ("head", "tail"), strict=True):
                write_ir(half, Path(folder) / f"{stem}.xml", half=False)
                path = Path(folder) / f"{stem}.xml"
                halves.append(core().read_model(path, config={"ENABLE_MMAP": False}))
        for port, tensor in zip(halves[1].inputs, cut.tensors, strict=True):
            assert tuple(port.get_shape()) == tensor.shape
        assert Verifier.of(whole).verify(halves, 1e-4).holds


def test_every_cut_of_the_network(exported: Path) -> None:
    whole = load_model(exported)
    graph = read_graph(whole)
    names = list(graph.by_name)
    done = [_check_cut(whole, graph, name) for name in [*names[:3], "maxpool_2", "up_1"]]
    assert all(done)
    assert not _check_cut(whole, graph, names[-1])


def test_crossing_tensors_keep_their_names_and_order(exported: Path) -> None:
    whole = load_model(exported)
    graph = read_graph(whole)
    cut = find_cut(graph, "maxpool_2")
    head, tail = make_halves(whole, graph, cut)
    names = ["encoder_1.relu_2", "encoder_2.relu_2", "maxpool_2"]
    assert [tensor.name for tensor in cut.tensors] == names
    assert [port.get_any_name() for port in head.outputs] == names
    assert [port.get_any_name() for port in tail.inputs] == names
    assert [port.get_node().get_friendly_name() for port in tail.inputs] == names


def test_both_halves_say_what_the_whole_says(exported: Path) -> None:
    whole = load_model(exported)
    graph = read_graph(whole)
    for half in make_halves(whole, graph, find_cut(graph, "maxpool_1")):
        assert read_info(half) == read_info(whole) != ModelInfo()


def test_weights_go_to_the_side_that_uses_them(exported: Path, tmp_path: Path) -> None:
    whole = load_model(exported)
    graph = read_graph(whole)
    sizes = []
    for half in make_halves(whole, graph, find_cut(graph, "maxpool_2")):
        write_ir(half, tmp_path / "half.xml")
        sizes.append((tmp_path / "half.bin").stat().st_size)
    assert all(sizes)
    assert sum(sizes) <= exported.with_suffix(".bin").stat().st_size + 64


def _halves(path: Path) -> tuple[ov.Model, ov.Model, ov.Model]:
    whole = load_model(path)
    graph = read_graph(whole)
    return (*make_halves(whole, graph, find_cut(graph, "maxpool_1")), whole)


@pytest.fixture(scope="module")
def other(write_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = {"widths": [4, 6], "bottleneck": 8, "activation": "relu", "norm": "batch"}
    return write_checkpoint(tmp_path_factory.mktemp("other") / "other.pt", options, 1)


def test_a_right_cut_is_verified(exported: Path) -> None:
    head, tail, whole = _halves(exported)
    proof = Verifier.of(whole).verify(Halves(head, tail), 1e-4)
    assert proof.holds
    assert proof.difference <= 1e-4 * proof.output_range
    assert proof.output_range > 0.01


def test_a_wrong_half_is_found(exported: Path, other: Path) -> None:
    head, tail, whole = _halves(exported)
    other_head, other_tail, _ = _halves(other)
    assert not Verifier.of(whole).verify(Halves(head, other_tail), 1e-3).holds
    assert not Verifier.of(whole).verify(Halves(other_head, tail), 1e-3).holds


def test_a_slightly_wrong_half_is_within_a_tolerance_that_allows_it(
    exported: Path, other: Path
) -> None:
    head, _, whole = _halves(exported)
    _, other_tail, _ = _halves(other)
    found = Verifier.of(whole).verify(Halves(head, other_tail), 1e9)
    assert found.holds
    assert found.difference > 0


@pytest.mark.parametrize(
    ("difference", "spread", "holds"),
    [
        (0.0, 0.0, True),
        (0.1, 1.0, True),
        (0.11, 1.0, False),
        (1e-9, 0.0, False),
        (float("nan"), 1.0, False),
    ],
)
def test_what_holds(difference: float, spread: float, holds: bool) -> None:
    assert Verification(difference, spread, 0.1).holds is holds


def test_nan_in_the_tail_does_not_hold() -> None:
    x = op.parameter([1, 2], ov.Type.f32, name="x")
    whole = ov.Model([op.result(op.relu(op.abs(x)))], [x], "m")
    write_info(whole, ModelInfo())
    graph = read_graph(whole)
    head, _ = make_halves(whole, graph, find_cut(graph, next(iter(graph.by_name))))
    y = op.parameter([1, 2], ov.Type.f32, name="y")
    bad = ov.Model([op.result(op.log(op.negative(op.exp(y))))], [y], "t")
    assert not Verifier.of(whole).verify(Halves(head, bad), 1e9).holds


def test_the_output_that_differs_most_for_its_range_decides() -> None:
    x = op.parameter([1, 2], ov.Type.f32, name="x")
    seed = op.relu(x)
    seed.set_friendly_name("seed")

    def outputs(value: ov.Node, small: float) -> list[ov.Node]:
        large = op.multiply(value, op.constant(np.float32(1e6)))
        return [op.result(large), op.result(op.multiply(value, op.constant(np.float32(small))))]

    whole = ov.Model(outputs(op.exp(seed), 1.0), [x], "m")
    graph = read_graph(whole)
    head, tail = make_halves(whole, graph, find_cut(graph, "seed"))
    y = op.parameter([1, 2], ov.Type.f32, name="seed")
    wrong = ov.Model(outputs(op.exp(y), 1.1), [y], "t")
    assert Verifier.of(whole).verify(Halves(head, tail), 1e-5).holds
    # The wrong output's range is small beside that of the other, which is right.
    assert not Verifier.of(whole).verify(Halves(head, wrong), 1e-2).holds


def test_control_flow_is_cut_around() -> None:
    """A loop that doubles three times, between two operations."""
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    before = op.relu(x)
    before.set_friendly_name("before")
    value = op.parameter([1, 4], ov.Type.f32, name="value")
    goes_on = op.constant(np.array(True))
    body = ov.Model([op.add(value, value), goes_on], [value], "body")
    loop = op.loop(op.constant(3), op.constant(np.array(True)))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(value, before.output(0), body.results[0].output(0))
    loop.get_iter_value(body.results[0].output(0))
    loop.set_friendly_name("loop")
    whole = ov.Model([op.result(op.exp(loop.output(0)))], [x], "m")
    graph = read_graph(whole)
    assert {"before", "loop"} <= set(graph.by_name)
    for name in ("before", "loop"):
        head, tail = make_halves(whole, graph, find_cut(graph, name))
        assert Verifier.of(whole).verify(Halves(head, tail), 1e-6).holds
