from pathlib import Path

import pytest

from splittool.formats import how_to_convert


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.pth", ["torch.onnx.export(model.eval()", "'net.onnx'"]),
        ("net.ckpt", ["torch.onnx.export(model.eval()"]),
        ("net.pt2", ["torch.export.load('net.pt2')", "'net.onnx'"]),
        ("net.safetensors", ["load_model(model, 'net.safetensors')", "'net.onnx'"]),
        ("net.h5", ["keras.saving.load_model('net.h5')", "format='onnx'"]),
        ("net.KERAS", ["keras.saving.load_model('net.KERAS')"]),
        ("net.json", ["paddle2onnx", "net.pdiparams", "--save_file net.onnx"]),
        ("net.engine", ["TensorRT", "cannot be converted back"]),
    ],
)
def test_each_format_says_how_it_becomes_onnx(name: str, words: list[str]) -> None:
    text = how_to_convert(Path("some") / name)
    assert text is not None
    assert all(word in text for word in words), text
    assert "{" not in text
    assert "\n" not in text


def test_other_names_are_nothing_known() -> None:
    assert how_to_convert(Path("net.jpg")) is None
