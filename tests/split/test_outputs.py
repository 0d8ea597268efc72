"""A network that draws no masks is split, run, and held against the whole one."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import write_classifier
from openvino import opset13 as op

import splittool as st
from splittool.cli.main import run
from splittool.errors import ExitCode, InputError
from splittool.reports import InferReport, read_report
from splittool.runtime.ir import save_ir

F32 = st.RunOptions(precision="f32")


@pytest.fixture
def images() -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 256, (3, 12, 16, 3), dtype=np.uint8))


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return write_classifier(tmp_path)


def test_outputs_are_held_against_the_whole_network(
    classifier: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    split = st.load(classifier).cut("features").write(tmp_path / "cut")
    fine = split.evaluate(images, bits=16, options=F32)
    coarse = split.evaluate(images, bits=2, options=F32, folder=tmp_path / "out")
    assert [output.name for output in fine.outputs] == ["classes", "mean"]
    assert [output.shape for output in fine.outputs] == [[1, 5], [1, 4]]
    assert fine.payload_bytes_per_frame > coarse.payload_bytes_per_frame > 0
    for near, far in zip(fine.outputs, coarse.outputs, strict=True):
        assert near.mean_difference <= near.largest_difference < 1e-3
        assert near.cosine == pytest.approx(1, abs=1e-6)
        assert near.same_largest == 1
        assert far.largest_difference > near.largest_difference
        assert far.cosine < 1
    kept = read_report(tmp_path / "out" / "report.json", InferReport)
    assert kept.outputs == coarse.outputs
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.json"]


def test_differences_are_those_of_the_numbers(
    classifier: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    split = st.load(classifier).cut("features").write(tmp_path / "cut")
    found = split.evaluate(images, bits=3, options=F32)
    head, link = split.head(F32), split.link(st.LinkOptions(bits=3))
    differences = []
    for image in images:
        tensors = [np.array(values) for values in head.run(image)]
        received = link.decode(link.encode(0, tensors)).tensors
        means = [values[0].mean((1, 2)) for values in (received[0], tensors[0])]
        differences.append(np.abs(means[0] - means[1]))
    record = found.outputs[1]
    assert record.largest_difference == pytest.approx(np.max(differences), rel=1e-4)
    assert record.mean_difference == pytest.approx(np.mean(differences), rel=1e-4)


def test_labels_of_such_a_network_are_refused(
    classifier: Path, images: list[np.ndarray], tmp_path: Path
) -> None:
    split = st.load(classifier).cut("features").write(tmp_path / "cut")
    with pytest.raises(InputError, match="does not put out one map"):
        split.evaluate(images, labels=tmp_path / "train.csv")


def test_the_command_shows_them(
    classifier: Path, tmp_path: Path, steel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    st.load(classifier).cut("features").write(tmp_path / "cut")
    command = ["infer", str(tmp_path / "cut" / "cut.json"), str(steel / "train_images")]
    command += ["-o", str(tmp_path / "out"), "--fit", "resize", "--bits", "4", "--quiet"]
    assert run(command) == 0
    assert '"same_largest"' in capfd.readouterr().out
    assert run([*command, "--min-dice", "0.5", "--force"]) == ExitCode.BAD_INPUT
    assert "--min-dice needs labels with defects" in capfd.readouterr().err


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    """The largest difference of nothing but NaN must not be 0: the root of a dark image."""
    image = op.parameter([1, 3, 12, 16], ov.Type.u8, name="image")
    x = op.convert(image, "f32")
    x.set_friendly_name("features")
    root = op.sqrt(op.subtract(op.reduce_mean(x, op.constant([2, 3])), op.constant(np.float32(60))))
    save_ir(ov.Model([op.result(root)], [image], "m"), tmp_path / "m.xml", half=False)
    split = st.load(tmp_path / "m.xml").cut("features").write(tmp_path / "cut")
    with pytest.raises(InputError, match="no finite numbers"):
        split.evaluate(np.zeros((12, 16, 3), dtype=np.uint8), options=F32)


def test_masks_of_one_array_are_labels(exported: Path, steel: Path, tmp_path: Path) -> None:
    split = st.load(exported).cut("maxpool_1").write(tmp_path / "cut")
    image = next((steel / "train_images").iterdir())
    truth = np.ones((4, 64, 96), dtype=bool)
    report = split.evaluate(image, labels=truth)
    assert report.scores is not None
    assert report.scores.defective_pairs == 4
