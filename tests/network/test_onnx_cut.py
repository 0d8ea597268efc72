import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx_networks import two_levels

from splittool.conversion.onnx_export import export_onnx
from splittool.data.images import list_images, read_image
from splittool.errors import UsageError, VerificationError
from splittool.graph import onnx_proof
from splittool.network.compare_options import CompareOptions
from splittool.network.comparison import compare
from splittool.network.network import Network
from splittool.split.files import Form
from splittool.split.options import RunOptions
from splittool.split.split_network import SplitNetwork

FORMS = {
    "both": (Form("onnx"), ["cut.json", "head.onnx", "tail.onnx"]),
    "head": (
        Form("onnx", tail_target="openvino"),
        ["cut.json", "head.onnx", "tail.bin", "tail.xml"],
    ),
    "tail": (
        Form("openvino", tail_target="onnx"),
        ["cut.json", "head.bin", "head.xml", "tail.onnx"],
    ),
    "old tail": (
        Form("onnx", tail_target="openvino-2022"),
        ["cut.json", "head.onnx", "tail.bin", "tail.xml"],
    ),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_levels(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.mark.parametrize("name", FORMS)
def test_halves_are_written_for_each_host_and_proved_there(
    path: Path, tmp_path: Path, name: str
) -> None:
    form, files = FORMS[name]
    split = Network.load(path).cut("op/pool").write(tmp_path, form=form)
    assert sorted(file.name for file in tmp_path.iterdir()) == files
    report = split.report
    runtimes = {"onnx": "onnxruntime"}
    own = [runtimes.get(target, "openvino") for target in form.targets]
    proofs = [report.verification, *report.crossed]
    assert [proofs[0].head_runtime, proofs[0].tail_runtime] == own
    pairs = {(proof.head_runtime, proof.tail_runtime) for proof in proofs}
    assert len(pairs) == len(proofs) == (4 if name == "both" else 2)
    assert all(proof.difference <= 1e-5 * proof.output_range for proof in proofs)
    assert [tensor.name for tensor in report.split.tensors] == ["skip", "pool"]
    head, tail = SplitNetwork.open(tmp_path).halves
    for ports in (head.outputs, tail.inputs):
        assert [port.get_any_name() for port in ports] == ["skip", "pool"]


def test_a_checkpoint_becomes_onnx_halves_that_infer_runs(
    checkpoint: Path, steel: Path, tmp_path: Path
) -> None:
    # In one go: the temporary file is there as long as the cut is.
    split = Network.load(checkpoint).in_onnx().cut("maxpool_2").write(tmp_path / "cut", form="onnx")
    assert split.report.source.path == str(checkpoint)
    assert split.report.classes == ["1", "2", "3", "4"]
    image = read_image(list_images(steel / "train_images")[0])
    whole = Network.load(checkpoint).run(image)
    assert np.abs(split.run(image).probabilities - whole.probabilities).max() < 5e-2


def test_a_wrong_half_is_not_written(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(onnx_proof.OnnxSession):
        def run(self, inputs: object) -> list[np.ndarray]:  # type: ignore[override]
            found = super().run(inputs)  # type: ignore[arg-type]
            return [values + 1 if self.inputs[0].name == "skip" else values for values in found]

    monkeypatch.setattr(onnx_proof, "OnnxSession", Wrong)
    with pytest.raises(VerificationError, match="do not compute the whole in onnxruntime"):
        Network.load(path).cut("op/pool").write(tmp_path / "cut", form="onnx")
    assert not (tmp_path / "cut").exists()


def test_another_form_replaces_the_files_of_the_first(path: Path, tmp_path: Path) -> None:
    cut = Network.load(path).cut("op/pool")
    cut.write(tmp_path, form="onnx")
    cut.write(tmp_path, force=True)
    names = ["cut.json", "head.bin", "head.xml", "tail.bin", "tail.xml"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_only_onnx_and_checkpoints_can_become_onnx(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tiny\.xml cannot be written as ONNX; give an \.onnx"):
        Network.load(exported).in_onnx()
    with pytest.raises(UsageError, match="target 'onnx' is for a network that is an"):
        Network.load(exported).cut("maxpool_1").write(tmp_path, form="onnx")
    with pytest.raises(UsageError, match="unknown target 'onxx'; give one of: openvino"):
        Network.load(exported).cut("maxpool_1").write(tmp_path, form="onxx")


def test_the_command_takes_a_target_for_each_half(path: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "splittool", "cut", str(path), "--at", "op/pool"),
            *("--target", "onnx", "--tail-target", "openvino", "-o", str(tmp_path), "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(run.stdout)
    assert (report["target"], report["tail_target"]) == ("onnx", "openvino")
    assert [each["path"] for each in report["tail"]] == ["tail.bin", "tail.xml"]


def test_everything_is_compared_in_onnx_runtime(
    checkpoint: Path, steel: Path, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.onnx"
    export_onnx(checkpoint, path)
    network = Network.load(path)
    ways = {"bits": [16], "at": ["maxpool_2"]}
    images = steel / "train_images"
    reports = [
        compare(network, [images], **ways, how=CompareOptions(["raw"], ["png"], run=run))  # type: ignore[arg-type]
        for run in (RunOptions(precision="f32"), RunOptions(runtime="onnxruntime"))
    ]
    ours, theirs = reports
    assert (theirs.runtime, theirs.device_used) == ("onnxruntime", ["CPUExecutionProvider"])
    assert (ours.runtime, ours.device_used) == ("openvino", ["CPU"])
    assert [arm.kind for arm in ours.arms] == [arm.kind for arm in theirs.arms]
    for one, other in zip(ours.arms, theirs.arms, strict=True):
        assert one.edge_gflops == other.edge_gflops
        assert one.dice == pytest.approx(other.dice, abs=1e-3)
    with pytest.raises(UsageError, match=r"runs \.onnx files; .*\.pt is none"):
        compare(
            Network.load(checkpoint),
            [images],
            **ways,  # type: ignore[arg-type]
            how=CompareOptions(["raw"], [], run=RunOptions(runtime="onnxruntime")),
        )
