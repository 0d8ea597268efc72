"""Models of other tools, as a new user would give them: each says what it is and what to do."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from splittool.cli.main import run
from splittool.errors import ExitCode


def _network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)).eval()


def _torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it deprecated; its files are there
        torch.jit.save(torch.jit.trace(_network(), torch.zeros(1, 3, 8, 8)), path)


MAKERS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "TorchScript": (
        _torchscript,
        ["TorchScript program", "can run code", "give --trust"],
    ),
    "exported program": (
        lambda path: path.write_bytes(_exported_program()),
        ["exported program of PyTorch", "can run code", "give --trust"],
    ),
    "state dictionary": (
        lambda path: torch.save(_network().state_dict(), path),
        ["weights without their network", "torch.onnx.export(model.eval()"],
    ),
    "nested state dictionary": (
        lambda path: torch.save({"epoch": 3, "state_dict": _network().state_dict()}, path),
        ["another tool", "weights without their network", "torch.onnx.export(model.eval()"],
    ),
    "whole network": (
        lambda path: torch.save(_network(), path),
        ["pickled code", "never run", "torch.onnx.export(model.eval()", "'net.onnx'"],
    ),
    "old format": (
        lambda path: torch.save(
            _network().state_dict(), path, _use_new_zipfile_serialization=False
        ),
        ["bare pickle", "never run", "torch.onnx.export(model.eval()"],
    ),
}


def _exported_program() -> bytes:
    """An archive with the file that tells it apart; making a real one takes many seconds."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("net/models/model.json", "{}")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("command", ["cut net.pt --list", "export net.pt -o new.xml"])
def test_a_file_of_pytorch_says_what_it_is(
    kind: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make, words = MAKERS[kind]
    make(Path("net.pt"))
    assert run(command.split()) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("splittool: net.pt ")
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert "train a new one" not in said
    assert list(tmp_path.iterdir()) == [tmp_path / "net.pt"]


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors", "net.h5", "net.engine"])
@pytest.mark.parametrize("command", ["cut {} --list", "export {} -o new.xml"])
def test_a_model_of_another_tool_says_how_it_becomes_onnx(
    name: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.format(name).split()) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith(f"splittool: {name} ")
    assert "ONNX" in said or ".onnx" in said
    assert said.count("\n") == 1
