from pathlib import Path

import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.errors import InputError
from splittool.graph.reading import load_model
from splittool.runtime.ir import ModelInfo, read_info, save_ir, write_info

INFO = ModelInfo("unet", ["1", 'scratch "ä" <&>'], "resize", ["maxpool_1"])


def _model() -> ov.Model:
    x = op.parameter([1, 2], ov.Type.f32, name="x")
    return ov.Model([op.result(op.relu(x))], [x], "m")


def test_what_a_model_says_of_itself_is_saved_with_it(tmp_path: Path) -> None:
    model = _model()
    write_info(model, INFO)
    assert read_info(model) == INFO
    save_ir(model, tmp_path / "m.xml")
    assert read_info(load_model(tmp_path / "m.xml")) == INFO


def test_models_of_other_tools_say_nothing() -> None:
    assert read_info(_model()) == ModelInfo("", [], "pad", [])


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"fit": "evil"}', '{"classes": 3}'])
def test_what_splittool_does_not_write_is_refused(text: str, tmp_path: Path) -> None:
    model = _model()
    model.set_rt_info(text, ["splittool", "model"])
    with pytest.raises(InputError, match="damaged"):
        read_info(model)
    save_ir(model, tmp_path / "m.xml")
    with pytest.raises(InputError, match=r"m\.xml: .*damaged.*export it again"):
        load_model(tmp_path / "m.xml")


def test_the_exported_network_says_what_it_was_trained_on(exported: Path, checkpoint: Path) -> None:
    for path in (exported, checkpoint):
        info = read_info(load_model(path))
        assert info == ModelInfo("unet", ["1", "2", "3", "4"], "pad", ["maxpool_1", "maxpool_2"])
