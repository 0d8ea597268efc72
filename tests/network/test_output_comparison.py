"""Cuts of a classifier beside its compressed input."""

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
from networks import CLASSES, FILTERS, write_classifier
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as op
from PIL import Image
from plan_cases import untimed

import splittool as st
from splittool.cli.main import run
from splittool.data.image_codecs import through
from splittool.errors import ExitCode, InputError, StoppedError, UsageError
from splittool.network.compare_options import CompareOptions, Rivals
from splittool.network.output_comparison import compare_outputs, draws_masks
from splittool.network.unfinished import state_file
from splittool.progress import Progress, nobody
from splittool.reports import CompareOutputsReport, OutputArmRecord, decode, read_report
from splittool.runtime.ir import core, save_ir
from splittool.split.options import Normalisation

RNG = np.random.default_rng(3)
F32 = st.RunOptions(precision="f32")


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return write_classifier(tmp_path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for index, pixels in enumerate(RNG.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def compared(
    classifier: Path, images: Path, progress: Progress = nobody, **how: Any
) -> CompareOutputsReport:
    options = CompareOptions(
        codecs=["raw", "fast"], formats=["jpeg", "png"], qualities=[90, 20], run=F32, **how
    )
    network = st.load(classifier)
    return compare_outputs(network, images, ["features"], [16, 4, 1], options, progress)


def chosen(report: CompareOutputsReport, **of: Any) -> list[OutputArmRecord]:
    return [
        one
        for one in report.arms
        if all(getattr(one.arm, name) == value for name, value in of.items())
    ]


def test_every_way_is_held_against_the_whole_network(classifier: Path, images: Path) -> None:
    report = compared(classifier, images)
    assert report.images == 3
    whole, answer, file = report.arms[:3]
    assert (whole.arm.payload_bytes_per_frame, answer.arm.payload_bytes_per_frame) == (
        0,
        (5 + 4) * 4,
    )
    stored = np.mean([path.stat().st_size for path in images.iterdir()])
    assert file.arm.payload_bytes_per_frame == pytest.approx(stored)
    for one in (whole, answer, file, *chosen(report, codec="png")):
        shapes = [(output.name, output.shape) for output in one.outputs]
        assert shapes == [("classes", [1, 5]), ("mean", [1, 4])]
        for output in one.outputs:
            assert output.largest_difference == 0
            assert output.cosine == pytest.approx(1)
            assert output.same_largest == 1


def test_fewer_bits_and_lower_qualities_are_further_off(classifier: Path, images: Path) -> None:
    report = compared(classifier, images)
    for series in (
        [chosen(report, codec="fast", bits=bits)[0] for bits in (16, 4, 1)],
        [chosen(report, codec="jpeg", quality=q, scale=1.0)[0] for q in (90, 20)],
    ):
        off = [one.outputs[0].mean_difference for one in series]
        sent = [one.arm.payload_bytes_per_frame for one in series]
        assert off == sorted(off)
        assert off[0] < off[-1]
        assert sent == sorted(sent, reverse=True)
    raw, fast = (chosen(report, codec=codec, bits=4)[0] for codec in ("raw", "fast"))
    assert raw.outputs == fast.outputs
    assert fast.arm.edge_gflops + (fast.arm.cloud_gflops or 0) == report.arms[0].arm.edge_gflops


def test_a_difference_is_that_of_the_numbers(classifier: Path, images: Path) -> None:
    found = chosen(compared(classifier, images), codec="jpeg", quality=20, scale=0.5)[0].outputs[0]
    network = st.load(classifier)
    request = core().compile_model(network.model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    means = []
    for path in sorted(images.iterdir()):
        pixels = np.asarray(Image.open(path))
        arrived = through(pixels, "jpeg", 20, halved=True).pixels
        both = [request(each.transpose(2, 0, 1)[None])[0].copy() for each in (pixels, arrived)]
        means.append(np.abs(both[0] - both[1]).mean())
    assert found.mean_difference == pytest.approx(np.mean(means), rel=1e-4)


def test_a_stopped_comparison_goes_on(classifier: Path, images: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    def stop(done: float, total: float, what: str) -> None:
        if done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedError, match=r"of 3 images.*report.state.jsonl"):
        compared(classifier, images, stop, output=report)
    assert not report.exists()
    assert state_file(report).exists()
    resumed = compared(classifier, images, output=report, resume=True)
    whole = compared(classifier, images)
    assert untimed(one.arm for one in resumed.arms) == untimed(one.arm for one in whole.arms)
    assert [one.outputs for one in resumed.arms] == [one.outputs for one in whole.arms]
    assert read_report(report, CompareOutputsReport).arms == resumed.arms
    assert not state_file(report).exists()


def test_what_needs_masks_is_refused(classifier: Path, images: Path) -> None:
    with pytest.raises(UsageError, match=r"draws no masks, .*leave out `at_dice`"):
        compared(classifier, images, at_dice=[0.5])
    with pytest.raises(UsageError, match=r"draws no masks, .*leave out `device_network`"):
        compared(classifier, images, rivals=Rivals(devices=[classifier]))


def test_which_networks_draw_masks(classifier: Path, exported: Path) -> None:
    assert draws_masks(st.load(exported), None)
    assert not draws_masks(st.load(classifier), None)


def test_the_command_chooses_by_the_network(
    classifier: Path, images: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", str(classifier), str(images), "--at", "features", "--bits", "4"]
    command += ["--formats", "jpeg", "--qualities", "50", "--quiet"]
    assert run([*command, "--json"]) == 0
    report = decode(capfd.readouterr().out.encode(), "stdout", CompareOutputsReport)
    assert {one.arm.kind for one in report.arms} == {"whole", "answer", "cut", "image"}
    assert run([*command, "--labels", "train.csv"]) == ExitCode.BAD_INPUT
    assert run([*command, "-o", str(images / "report.json")]) == 0
    shown = capfd.readouterr().out
    assert "cuts: differences from the whole network" in shown
    assert "features, fast " in shown  # names are whole
    assert max(map(len, shown.splitlines())) <= 80


def test_a_network_of_real_numbers_in_both_runtimes(images: Path, tmp_path: Path) -> None:
    onnx.save(tiny_onnx(), tmp_path / "net.onnx")
    given = {"precision": "auto", "normalisation": Normalisation(100, 50)}
    found = []
    for runtime in ("openvino", "onnxruntime"):
        options = st.RunOptions(runtime=runtime, **given)  # type: ignore[arg-type]
        how = CompareOptions(codecs=["raw"], formats=["jpeg"], qualities=[50], run=options)
        network = st.load(tmp_path / "net.onnx")
        found.append(compare_outputs(network, images, ["relu"], [8], how))
    for one, other in zip(found[0].arms, found[1].arms, strict=True):
        near = [output.mean_difference for output in (*one.outputs, *other.outputs)]
        assert near[0] == pytest.approx(near[1], rel=0.05, abs=1e-5)


def tiny_onnx() -> onnx.ModelProto:
    """Real numbers to five values."""
    weights = [
        numpy_helper.from_array(FILTERS, "filters"),
        numpy_helper.from_array(CLASSES, "classes"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["convolved"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["activated"], name="relu"),
        helper.make_node("GlobalAveragePool", ["activated"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "classes"], ["answer"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 12, 16])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 5])
    graph = helper.make_graph(nodes, "graph", [image], [answer], weights)
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=9)


def test_outputs_that_are_no_numbers_are_told_of_the_network(tmp_path: Path) -> None:
    """And not of the cut in a folder that is gone: the root of a dark image."""
    image = op.parameter([1, 3, 12, 16], ov.Type.u8, name="image")
    x = op.convert(image, "f32")
    x.set_friendly_name("features")
    above = op.subtract(op.reduce_mean(x, op.constant([2, 3])), op.constant(np.float32(60)))
    save_ir(ov.Model([op.result(op.sqrt(above))], [image], "m"), tmp_path / "m.xml", half=False)
    dark = np.zeros((12, 16, 3), dtype=np.uint8)
    with pytest.raises(InputError, match=r"m\.xml: output .* no finite numbers"):
        compare_outputs(st.load(tmp_path / "m.xml"), dark, ["features"], [8])


def test_points_must_be_named(classifier: Path, images: Path) -> None:
    with pytest.raises(UsageError, match="names no split points"):
        compare_outputs(st.load(classifier), images)
