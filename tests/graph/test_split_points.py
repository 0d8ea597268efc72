import numpy as np
import openvino as ov
import pytest
from openvino import opset6 as ops
from openvino import opset13 as op
from openvino.op.util import Variable, VariableInfo

from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.split_points import find_cut, require_both_sides, split_points

PAPER = {1: 4_096_000, 2: 5_324_800, 3: 5_939_200, 4: 6_246_400, 5: 6_272_000}


@pytest.mark.parametrize(("level", "elements"), PAPER.items())
def test_a_cut_of_the_papers_network_sends_the_pooled_and_the_skip_tensors(
    paper_graph: Graph, level: int, elements: int
) -> None:
    cut = find_cut(paper_graph, f"maxpool_{level}")
    assert cut.elements == elements
    skips = [f"encoder_{k}.elu_2" for k in range(1, level + 1)]
    assert [tensor.name for tensor in cut.tensors] == [*skips, f"maxpool_{level}"]
    assert cut.tensors[0].shape == (1, 8, 256, 1600)
    require_both_sides(cut)


def test_a_cut_at_the_input_sends_the_image(paper_graph: Graph) -> None:
    cut = find_cut(paper_graph, "input")
    assert cut.elements == 3 * 256 * 1600
    assert [(tensor.name, tensor.type) for tensor in cut.tensors] == [("pixels", "u8")]
    with pytest.raises(InputError, match="leaves the head empty"):
        require_both_sides(cut)


def test_a_cut_at_the_end_leaves_nothing_for_the_cloud(paper_graph: Graph) -> None:
    with pytest.raises(InputError, match="leaves the tail empty"):
        require_both_sides(find_cut(paper_graph, list(paper_graph.by_name)[-1]))


def test_head_and_tail_are_disjoint_and_complete(paper_graph: Graph) -> None:
    for name in paper_graph.by_name:
        cut = find_cut(paper_graph, name)
        moving = {op.index for op in paper_graph.by_name.values()}
        assert set(cut.head) | set(cut.tail) == moving
        assert not set(cut.head) & set(cut.tail)
        assert paper_graph.by_name[name].index in cut.head


@pytest.mark.parametrize(
    ("wrong", "right"), [("maxpool2", "maxpool_2"), ("Maxpool_5", "maxpool_5"), ("inptu", "input")]
)
def test_an_unknown_name_suggests_the_nearest(paper_graph: Graph, wrong: str, right: str) -> None:
    with pytest.raises(InputError, match=f"no split point '{wrong}'; did you mean '{right}'"):
        find_cut(paper_graph, wrong)


@pytest.mark.parametrize("name", ["", "qqqqqqqqqqq", "../../etc/passwd"])
def test_a_name_like_no_other_points_to_the_list(paper_graph: Graph, name: str) -> None:
    with pytest.raises(InputError, match="list them with: splittool cut MODEL --list"):
        find_cut(paper_graph, name)


def test_constants_are_no_split_points(paper_graph: Graph) -> None:
    constant = next(operation for operation in paper_graph.operations if operation.constant)
    with pytest.raises(InputError, match="no split point"):
        find_cut(paper_graph, constant.name)


def _skip_of_input() -> Graph:
    x = op.parameter([1, 3, 4, 4], ov.Type.f32, name="x")
    small = op.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])
    small.set_friendly_name("small")
    mean = op.reduce_mean(small.output(0), op.constant([2, 3]), keep_dims=True)
    mean.set_friendly_name("mean")
    return read_graph(ov.Model([op.result(op.multiply(x, mean))], [x], "m"))


def test_an_input_that_the_tail_reads_is_sent_and_billed() -> None:
    cut = find_cut(_skip_of_input(), "mean")
    assert [(tensor.name, tensor.elements) for tensor in cut.tensors] == [("x", 48), ("mean", 3)]
    assert cut.elements == 51


def test_a_tensor_with_many_readers_is_sent_once() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    shared = op.relu(x)
    shared.set_friendly_name("shared")
    total = op.add(op.abs(shared), op.multiply(shared, op.sigmoid(shared)))
    cut = find_cut(read_graph(ov.Model([op.result(total)], [x], "m")), "shared")
    assert [tensor.name for tensor in cut.tensors] == ["shared"]


def test_a_result_computed_early_is_sent() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    early = op.relu(x)
    late = op.abs(early)
    early.set_friendly_name("early")
    late.set_friendly_name("late")
    model = ov.Model([op.result(early), op.result(op.exp(late))], [x], "m")
    cut = find_cut(read_graph(model), "late")
    assert [tensor.name for tensor in cut.tensors] == ["early", "late"]


def test_the_places_of_a_chain_of_levels_are_the_cuts_by_name(paper_graph: Graph) -> None:
    names = list(paper_graph.by_name)
    found = list(split_points(paper_graph))
    assert len(found) == len(names) - 1
    for name, place in zip(names, found, strict=False):
        cut = find_cut(paper_graph, name)
        assert place.operation == paper_graph.by_name[name].index == cut.head[-1]
        assert (place.crossing, place.refusal) == (cut.crossing, None)
        assert place.ends == (place.operation,)


def _branches() -> Graph:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    left, right = op.relu(x), op.abs(x)
    total = op.add(left, right)
    for node, name in ((left, "left"), (right, "right"), (total, "total")):
        node.set_friendly_name(name)
    return read_graph(ov.Model([op.result(op.exp(total))], [x], "m"))


def test_a_place_among_branches_names_them_all() -> None:
    graph = _branches()
    first, second, third = split_points(graph)
    ends = [graph.operations[i].name for i in second.ends]
    assert sorted(ends) == ["left", "right"]
    assert len(first.ends) == len(third.ends) == 1
    cut = find_cut(graph, *ends)
    assert cut.crossing == second.crossing
    assert sorted(cut.at) == ends == sorted(tensor.name for tensor in cut.tensors)
    assert cut.name in ("left + right", "right + left")


def test_a_cut_after_one_branch_sends_the_input_for_the_other() -> None:
    assert {t.name for t in find_cut(_branches(), "left").tensors} == {"x", "left"}


def test_naming_a_point_twice_or_its_ancestor_changes_nothing() -> None:
    graph = _branches()
    cuts = [find_cut(graph, *at) for at in (["total"], ["total", "total"], ["total", "left"])]
    assert len({cut.head for cut in cuts}) == len({cut.crossing for cut in cuts}) == 1


def _stateful(early: bool) -> Graph:
    """y = relu(state + x); the state becomes the sum, or what comes after it."""
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    info = VariableInfo()
    info.data_shape = ov.PartialShape([1, 4])
    info.data_type = ov.Type.f32
    info.variable_id = "memory"
    variable = Variable(info)
    read = ops.read_value(op.constant(np.zeros((1, 4), np.float32)), variable)
    total = op.add(read, x)
    after = op.relu(total)
    late = op.exp(after)
    write = ops.assign(total if early else late, variable)
    for node, name in ((read, "read"), (total, "total"), (after, "after"), (late, "late")):
        node.set_friendly_name(name)
    last = op.result(op.sigmoid(late))
    return read_graph(ov.Model([last], [write], [x], "m"))


def test_state_stays_where_it_is_read_and_written() -> None:
    graph = _stateful(early=True)
    assert set(graph.by_name) >= {"read", "total", "after", "late"}
    with pytest.raises(InputError, match="'memory' would be read on one side and written on the"):
        find_cut(graph, "read")
    for name in ("total", "after", "late"):
        assert [t.name for t in find_cut(graph, name).tensors] == [name]
    reasons = {graph.operations[p.operation].name: p.refusal for p in split_points(graph)}
    assert "memory" in (reasons.pop("read") or "")
    assert set(reasons.values()) == {None}


def test_a_loop_of_state_cannot_be_cut_within() -> None:
    graph = _stateful(early=False)
    for name in ("read", "total", "after"):
        with pytest.raises(InputError, match="cut before it is read or after it is written"):
            find_cut(graph, name)
    assert [t.name for t in find_cut(graph, "late").tensors] == ["late"]
    find_cut(graph, "input")


def test_what_depends_on_the_data_cannot_be_priced() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    early = op.relu(x)
    early.set_friendly_name("early")
    found = op.non_zero(early, "i64")
    found.set_friendly_name("found")
    model = ov.Model([op.result(op.convert(found, "f32"))], [x], "m")
    graph = read_graph(model)
    find_cut(graph, "early")
    with pytest.raises(InputError, match="size of 'found' depends on the data"):
        find_cut(graph, "found")


def test_random_numbers_are_no_constants() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    noise = op.random_uniform(
        op.constant([1, 4]), op.constant(np.float32(0)), op.constant(np.float32(1)), "f32", 1, 1
    )
    noise.set_friendly_name("noise")
    first = op.add(x, noise)
    first.set_friendly_name("first")
    graph = read_graph(ov.Model([op.result(op.multiply(op.relu(first), noise))], [x], "m"))
    # Drawn once: both sides would otherwise see different numbers.
    assert {t.name for t in find_cut(graph, "first").tensors} == {"first", "noise"}


def test_an_operation_called_input_does_not_hide_the_input() -> None:
    x = op.parameter([1, 4], ov.Type.f32, name="x")
    node = op.relu(x)
    node.set_friendly_name("input")
    graph = read_graph(ov.Model([op.result(op.exp(node))], [x], "m"))
    assert find_cut(graph, "input").head == ()
    assert graph.renamed == {"input/Relu": "input"}
    assert len(find_cut(graph, "input/Relu").head) == 1
