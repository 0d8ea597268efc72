import zipfile
from pathlib import Path

import pytest

from splittool.formats import EXPORTED, TORCHSCRIPT, how_to_convert, program_kind


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.pth", ["torch.onnx.export(model.eval()", "'net.onnx'"]),
        ("net.ckpt", ["torch.onnx.export(model.eval()"]),
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


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("net.pt2", EXPORTED),
        ("net.ts", TORCHSCRIPT),
        ("net.torchscript", TORCHSCRIPT),
        ("a.xml", None),
    ],
)
def test_a_suffix_tells_a_program(name: str, kind: str | None) -> None:
    assert program_kind(Path(name)) == kind


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("net/constants.pkl", TORCHSCRIPT),
        ("net/models/model.json", EXPORTED),
        ("net/data.pkl", None),
    ],
)
def test_what_is_in_a_pt_tells_a_program(member: str, kind: str | None, tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    assert program_kind(path) is None
    path.write_bytes(b"garbage")
    assert program_kind(path) is None
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "")
    assert program_kind(path) == kind
