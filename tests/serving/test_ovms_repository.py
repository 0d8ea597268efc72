"""Model repositories for OpenVINO Model Server: what it reads computes what the baked cut does."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from networks import F32

from splittool.data.images import list_images, read_image
from splittool.errors import InputError, OutputError
from splittool.serving.ovms_repository import export_ovms
from splittool.split.split_network import SplitNetwork


@pytest.fixture(scope="module")
def baked(cut_folder: Path, steel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny cut with its quantiser of 8 bits inside the halves."""
    folder = tmp_path_factory.mktemp("baked")
    for name in ("cut.json", "head.xml", "head.bin", "tail.xml", "tail.bin"):
        (folder / name).write_bytes((cut_folder / name).read_bytes())
    plain = SplitNetwork.open(folder)
    plain.calibrate(str(steel / "train_images"), bits=[8])
    plain.bake(8, folder / "small")
    return folder / "small"


def test_the_tail_that_it_reads_makes_the_same_maps(
    baked: Path, steel: Path, tmp_path: Path
) -> None:
    report = export_ovms(f"steel:2={baked}", tmp_path)
    assert [record.path for record in report.files] == [
        "steel/2/model.bin",
        "steel/2/model.xml",
        "config.json",
    ]
    split = SplitNetwork.open(baked)
    pixels = read_image(list_images(steel / "train_images")[0])
    sent = split.head(F32).run(pixels)
    assert {tensor.dtype for tensor in sent} == {np.dtype(np.uint8)}
    config = json.loads((tmp_path / "config.json").read_text())
    (entry,) = config["model_config_list"]
    model = tmp_path / entry["config"]["base_path"] / "2" / "model.xml"
    served = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    by_name = {
        record.name: tensor for record, tensor in zip(split.report.split.tensors, sent, strict=True)
    }
    (maps,) = served(by_name).values()
    assert np.array_equal(maps[0], split.runner(F32).run(pixels).probabilities)


def test_other_models_stay_in_the_configuration(baked: Path, tmp_path: Path) -> None:
    other = {"config": {"name": "other", "base_path": "/models/other", "nireq": 4}}
    (tmp_path / "config.json").write_text(json.dumps({"model_config_list": [other], "x": 1}))
    export_ovms(f"steel={baked}", tmp_path)
    with pytest.raises(OutputError, match=r"model\.bin exists; give `force`"):
        export_ovms(f"steel={baked}", tmp_path)
    export_ovms(f"steel={baked}", tmp_path, force=True)
    found = json.loads((tmp_path / "config.json").read_text())
    assert found["x"] == 1
    assert [each["config"]["name"] for each in found["model_config_list"]] == ["other", "steel"]
    assert found["model_config_list"][0] == other


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"model_config_list": [{"config": {}}]}'])
def test_a_configuration_of_something_else_is_kept(baked: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="is not a configuration of OpenVINO Model Server"):
        export_ovms(f"steel={baked}", tmp_path, force=True)
    assert (tmp_path / "config.json").read_text() == text
    assert not (tmp_path / "steel").exists()


def test_a_cut_that_is_not_baked_is_refused(cut_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not baked.*--bake-bits 8"):
        export_ovms(cut_folder, tmp_path / "models")
    assert not (tmp_path / "models").exists()
