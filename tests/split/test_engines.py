import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_networks import model, node, onnx, value, weight

from splittool.conversion.onnx_export import export_onnx
from splittool.data.images import list_images, read_image
from splittool.errors import DeviceError, UsageError
from splittool.network.network import Network
from splittool.split.files import Form
from splittool.split.options import Normalisation, RunOptions
from splittool.split.split_network import SplitNetwork

F32 = RunOptions(precision="f32")
ORT = RunOptions(runtime="onnxruntime")


@pytest.fixture(scope="module")
def written(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(checkpoint, path)
    return path


@pytest.fixture(scope="module")
def pixels(steel: Path) -> np.ndarray:
    return read_image(list_images(steel / "train_images")[0])


def test_a_whole_network_runs_in_either_runtime(written: Path, pixels: np.ndarray) -> None:
    network = Network.load(written)
    ours, theirs = (network.run(pixels, options).probabilities for options in (F32, ORT))
    assert np.abs(ours - theirs).max() < 1e-5
    engine = network.runner(ORT).compiled
    assert (engine.runtime, engine.devices) == ("onnxruntime", ["CPUExecutionProvider"])
    assert engine.precision == "f32"


@pytest.mark.parametrize("form", [Form("onnx"), Form("onnx", tail_target="openvino")])
def test_halves_run_where_their_files_say(
    written: Path, pixels: np.ndarray, tmp_path: Path, form: Form
) -> None:
    split = Network.load(written).cut("maxpool_2").write(tmp_path, form=form)
    runner = split.runner(ORT)
    wanted = "onnxruntime" if form.targets[1] == "onnx" else "openvino"
    assert (runner.head.compiled.runtime, runner.tail.compiled.runtime) == ("onnxruntime", wanted)
    ours, theirs = (split.run(pixels, 16, options=each).probabilities for each in (F32, ORT))
    assert np.abs(ours - theirs).max() < 1e-4


def test_pixels_and_maps_are_brought_to_a_network_of_another_layout(
    tmp_path: Path, pixels: np.ndarray
) -> None:
    """(1, H, W, 3) normalised numbers in, (1, H, W, 2) maps out."""
    shape = (1, 64, 96, 3)
    kernel = np.random.default_rng(0).standard_normal((3, 2))
    nodes = [node("MatMul", "logits", "x", "w"), node("Sigmoid", "maps", "logits")]
    path = tmp_path / "last.onnx"
    maps = value("maps", (1, 64, 96, 2))
    onnx.save(model(nodes, [value("x", shape)], [maps], [weight("w", kernel)]), path)
    normal = Normalisation(100, 50)
    network = Network.load(path)
    ours, theirs = (
        network.run(pixels, RunOptions(precision="f32", normalisation=normal, runtime=name))
        for name in ("openvino", "onnxruntime")
    )
    assert ours.probabilities.shape == (2, *pixels.shape[:2])
    assert np.abs(ours.probabilities - theirs.probabilities).max() < 1e-5


def test_what_cannot_be_had_is_said(
    written: Path, exported: Path, cut_folder: Path, pixels: np.ndarray
) -> None:
    for options in (
        RunOptions(runtime="onnxruntime", device="CUDA"),
        RunOptions(runtime="onnxruntime", device="TensorRT"),
    ):
        with pytest.raises(DeviceError, match="ExecutionProvider"):
            Network.load(written).run(pixels, options)
    with pytest.raises(UsageError, match=r"computes .*tiny\.onnx in, which is f32"):
        Network.load(written).run(pixels, RunOptions(runtime="onnxruntime", precision="f16"))
    with pytest.raises(UsageError, match=r"runs \.onnx files; .*tiny\.xml is none"):
        Network.load(exported).run(pixels, ORT)
    with pytest.raises(UsageError, match=r"runs \.onnx halves, and those of .* are OpenVINO's"):
        SplitNetwork.open(cut_folder).run(pixels, options=ORT)


def test_the_report_says_what_was_asked_for_and_got(
    written: Path, steel: Path, tmp_path: Path
) -> None:
    Network.load(written).cut("maxpool_2").write(tmp_path / "cut", form="onnx")
    arguments = ["infer", str(tmp_path / "cut/cut.json"), str(steel / "train_images"), "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "splittool", *arguments, "--runtime", "onnxruntime"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
        env=os.environ,
    )
    report = json.loads(run.stdout)
    assert (report["runtime"], report["tail_runtime"]) == ("onnxruntime", "onnxruntime")
    assert report["device"] == report["tail_device"] == "CPUExecutionProvider"
    assert (report["precision_requested"], report["precision_actual"]) == ("auto", "f32")
