"""Model repositories for Triton, as files."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from networks import write_cut
from tritonclient.grpc import model_config_pb2

from splittool.errors import InputError, OutputError, UsageError
from splittool.network.network import Network
from splittool.runtime.onnx_runtime import OnnxSession
from splittool.serving.models import Defaults, Place, ServedModel
from splittool.serving.triton_repository import TritonOptions, export_triton


def config(folder: Path) -> Any:
    text = (folder / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def test_configuration_says_what_requests_and_answers_hold(
    cut_folder: Path, tmp_path: Path
) -> None:
    options = TritonOptions(instances=3, queue=7, output="probabilities", threshold=0.3)
    export_triton(f"steel={cut_folder}", tmp_path, options)
    found = config(tmp_path / "steel")
    assert (found.name, found.backend, found.max_batch_size) == ("steel", "python", 0)
    assert [(port.name, list(port.dims)) for port in found.input] == [("frame", [1])]
    assert [(port.name, list(port.dims)) for port in found.output] == [
        ("masks", [1]),
        ("probabilities", [1, 4, -1, -1]),
    ]
    assert [group.count for group in found.instance_group] == [3]
    assert found.dynamic_batching.default_queue_policy.max_queue_size == 7
    assert {name: each.string_value for name, each in found.parameters.items()} == {
        "return": "probabilities",
        "threshold": "0.3",
        "precision": "auto",
    }


def test_files_are_all_that_a_tail_needs_and_no_head(cut_folder: Path, tmp_path: Path) -> None:
    report = export_triton(f"steel:4={cut_folder}", tmp_path)
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {record.path for record in report.files}
    assert there == {
        "steel/config.pbtxt",
        *(f"steel/4/{name}" for name in ("model.py", "cut.json", "tail.xml", "tail.bin")),
    }
    compile((tmp_path / "steel/4/model.py").read_text(), "model.py", "exec")
    ServedModel(Place("steel", "4", tmp_path / "steel/4/cut.json"), Defaults())


def test_versions_lie_side_by_side_and_force_leaves_nothing_old(
    exported: Path, cut_folder: Path, tmp_path: Path
) -> None:
    cut, models = tmp_path / "cut", tmp_path / "models"
    shutil.copytree(cut_folder, cut)
    write_cut(exported, ["maxpool_1"], cut, 1e-3, force=True)
    export_triton(f"steel:1={cut_folder}", models)
    export_triton(f"steel:2={cut}", models, force=True)
    (models / "steel/2/calibration.json").write_text("{}")
    export_triton(f"steel:2={cut}", models, force=True)
    assert not (models / "steel/2/calibration.json").exists()
    points = [
        json.loads((models / f"steel/{version}/cut.json").read_text())["split"]["point"]
        for version in (1, 2)
    ]
    assert points == ["maxpool_2", "maxpool_1"]


def test_a_tail_in_onnx_is_a_model_for_tritons_own_backend(
    checkpoint: Path, cut_folder: Path, tmp_path: Path
) -> None:
    cut, models = tmp_path / "cut", tmp_path / "models"
    network = Network.load(checkpoint).in_onnx()
    split = network.cut("maxpool_2").write(cut, 1e-3, form="onnx")
    export_triton(f"steel={cut}", models)
    assert config(models / "steel").parameters["tail"].string_value == "steel-tail"
    found = config(models / "steel-tail")
    assert (found.name, found.backend) == ("steel-tail", "onnxruntime")
    assert (models / "steel-tail/1/model.onnx").read_bytes() == (cut / "tail.onnx").read_bytes()
    session = OnnxSession(models / "steel-tail/1/model.onnx")
    for ports, theirs in ((found.input, session.inputs), (found.output, session.outputs)):
        assert [(p.name, tuple(p.dims)) for p in ports] == [(p.name, p.shape) for p in theirs]
        assert {port.data_type for port in ports} == {model_config_pb2.TYPE_FP32}
    assert [port.name for port in found.input] == [t.name for t in split.report.split.tensors]
    export_triton(f"steel={cut_folder}", models, force=True)  # OpenVINO's, in the same place
    assert not [path for path in (models / "steel-tail").rglob("*") if path.is_file()]


def test_what_is_there_is_kept(cut_folder: Path, tmp_path: Path) -> None:
    export_triton(f"steel={cut_folder}", tmp_path)
    with pytest.raises(OutputError, match="exists; give `force`"):
        export_triton(f"steel={cut_folder}", tmp_path)


def test_a_damaged_tail_is_not_exported(cut_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(cut_folder, tmp_path / "cut")
    with (tmp_path / "cut/tail.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="not the one that"):
        export_triton(tmp_path / "cut", tmp_path / "models")
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (TritonOptions(instances=0), "`instances` 0 is out of range"),
        (TritonOptions(queue=0), "`queue` 0 is out of range"),
        (TritonOptions(output="labels"), "unknown output 'labels'"),
        (TritonOptions(precision="f8"), "unknown precision 'f8'"),
    ],
)
def test_options_out_of_range(
    cut_folder: Path, tmp_path: Path, options: TritonOptions, text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        export_triton(cut_folder, tmp_path, options)
