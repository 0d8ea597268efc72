from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import F32
from openvino import opset13 as op

from splittool.data.images import list_images, read_image
from splittool.data.kaggle import read_folder
from splittool.errors import InputError, UsageError, VerificationError
from splittool.graph import halves as verification
from splittool.graph.graph import Graph, read_graph
from splittool.network import network as module
from splittool.network.network import Network, shape_texts


@pytest.fixture(scope="module")
def network(exported: Path) -> Network:
    return Network.load(exported)


def _open_model() -> ov.Model:
    x = op.parameter(ov.PartialShape([1, 3, -1, -1]), ov.Type.f32, name="x")
    return ov.Model([op.result(op.relu(x))], [x], "open")


def test_a_file_is_read_once(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []

    def counted(model: ov.Model) -> Graph:
        reads.append(model)
        return read_graph(model)

    monkeypatch.setattr(module, "read_graph", counted)
    network = Network.load(exported)
    network.cuts(every=True, verify=True)
    network.profile()
    network.cut("maxpool_1").verify()
    assert len(reads) == 1


def test_what_it_says_of_itself(network: Network, exported: Path) -> None:
    assert network.split_points == ["maxpool_1", "maxpool_2"]
    assert network.info.classes == ["1", "2", "3", "4"]
    assert network.record.path == str(exported)
    profile = network.profile()
    assert network.flops / 1e9 == pytest.approx(profile.gflops)
    assert network.macs / 1e9 == pytest.approx(profile.gmacs)
    assert network.parameters == profile.parameters


@pytest.mark.parametrize(
    "shape",
    ["1x3x8x8", ["1x3x8x8"], ["x=1x3x8x8"], (1, 3, 8, 8), {"x": (1, 3, 8, 8)}, {"x": "1x3x8x8"}],
)
def test_open_shapes_are_fixed_in_every_way(shape: object) -> None:
    network = Network.load(_open_model(), shape)  # type: ignore[arg-type]
    assert list(network.model.inputs[0].get_shape()) == [1, 3, 8, 8]
    assert network.flops == 2 * 3 * 8 * 8  # a comparison and a choice for each element


def test_models_in_memory_stay_as_they_are_and_have_a_record() -> None:
    model = _open_model()
    with pytest.raises(InputError, match="open: input 'x' has the open shape"):
        Network.load(model)
    records = [Network.load(model, "1x3x8x8").record for _ in range(2)]
    assert model.inputs[0].get_partial_shape().is_dynamic
    assert records[0].path == "open"
    assert records[0] == records[1]
    assert len(records[0].sha256) == 64
    with pytest.raises(UsageError, match="`shape` 1x3x0x8"):
        Network.load(model, "1x3x0x8")


def test_a_plan_repeats_the_shapes_in_its_next_command(tmp_path: Path) -> None:
    file = tmp_path / "open.xml"
    ov.save_model(_open_model(), file)
    network = Network.load(file, (1, 3, 8, 8))
    assert network.plan("1GFLOPS", "1TFLOPS", "1Gbps").shapes == ["1x3x8x8"]


def test_shapes_as_texts() -> None:
    assert shape_texts(None) == []
    assert shape_texts({"a": (1, 2), "b": "3x4"}) == ["a=1x2", "b=3x4"]


def test_cuts_that_fail_are_all_reported(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    compare = verification.Verifier.compare

    def worse(self: verification.Verifier, found: list[np.ndarray], tolerance: float) -> object:
        return compare(self, [values + 1 for values in found], tolerance)

    monkeypatch.setattr(verification.Verifier, "compare", worse)
    with pytest.raises(VerificationError, match=r"2 of 3 cuts differ from the whole") as caught:
        network.cuts(verify=True)
    assert [split.point for split in caught.value.report.splits] == [
        "input",
        "maxpool_1",
        "maxpool_2",
    ]


def test_arrays_and_files_give_the_same_answer(network: Network, steel: Path) -> None:
    path = list_images(steel / "train_images")[0]
    pixels = read_image(path)
    answers = [network.run(image, F32) for image in (path, str(path), pixels, pixels[..., 0])]
    for answer in answers:
        assert answer.probabilities.shape == answer.masks.shape == (4, 64, 96)
        assert np.array_equal(answer.probabilities, answers[0].probabilities)
        assert np.array_equal(answer.masks, answer.probabilities >= 0.5)
    assert answers[0].payload_bytes is None
    assert (answers[0].head_ms or 0) > 0
    assert "data:image/png;base64," in answers[0]._repr_html_()
    with pytest.raises(InputError, match="where one is wanted"):
        network.run(steel / "train_images")


def test_arrays_with_masks_are_scored_like_files(network: Network, steel: Path) -> None:
    samples, classes = read_folder(steel)
    masks = [sample.masks(classes) for sample in samples]
    arrays = network.evaluate([sample.image() for sample in samples], masks, options=F32)
    files = network.evaluate(str(steel / "train_images"), options=F32)
    assert arrays.scores
    assert arrays.scores == files.scores
    assert arrays.folder is files.folder is None
    assert arrays.image_file_bytes_per_frame is None
    assert arrays.mbps == {}
    nothing = network.evaluate(str(steel / "train_images"), False, options=F32)
    assert nothing.scores is None


def test_a_plan(network: Network) -> None:
    report = network.plan("1GFLOPS", "5TFLOPS", "100Mbps", bits=8)
    assert report.best is report.rows[report.chosen or 0]
    assert {row.kind for row in report.rows} == {"edge-only", "cloud-only", "cut"}
    assert network.plan(1.0, 5000.0, 100.0, bits=8).rows == report.rows


def test_it_shows_itself_in_a_notebook(network: Network) -> None:
    shown = network._repr_html_()
    assert "maxpool_2" in shown
    assert shown.startswith("<pre")


def test_a_graph_of_constants_alone_is_refused() -> None:
    x = op.parameter([1, 3], ov.Type.f32, name="x")
    constant = op.relu(op.constant(np.float32(1)))
    network = Network.load(ov.Model([op.result(constant)], [x], "constant"))
    with pytest.raises(InputError, match="constant computes nothing from its inputs"):
        network.profile()
