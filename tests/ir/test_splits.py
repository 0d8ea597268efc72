import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.errors import InputError
from splittool.ir.graph import Graph, read_graph
from splittool.ir.info import ModelInfo
from splittool.ir.splits import find_cut, named_points, require_both_sides

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


def test_the_points_shown_are_the_models_own_or_all_but_the_last(paper_graph: Graph) -> None:
    own = [f"maxpool_{level}" for level in PAPER]
    info = ModelInfo(split_points=[*own, "gone"])
    assert named_points(paper_graph, info) == ["input", *own]
    every = named_points(paper_graph, ModelInfo())
    assert every == ["input", *list(paper_graph.by_name)[:-1]]
    for name in every[1:]:
        require_both_sides(find_cut(paper_graph, name))
