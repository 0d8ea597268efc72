"""Programs of PyTorch, which are read in another process, and only where they are trusted."""

from pathlib import Path

import pytest
from torch_programs import MAKERS, SIZE, export, two_levels

from splittool.errors import InputError, MissingExtraError
from splittool.formats import EXPORTED
from splittool.graph import programs
from splittool.graph.reading import load_model
from splittool.network.network import Network


def test_a_program_is_read_and_cut(tmp_path: Path) -> None:
    path = export(two_levels(), tmp_path / "net.pt2")
    network = Network.load(path, (1, 3, SIZE, SIZE), trust=True)
    (pool,) = [op.name for op in network.graph.operations if op.type == "MaxPool"]
    split = network.cut(pool).write(tmp_path / "cut")
    assert len(split.report.split.tensors) == 2  # the skip connection
    assert split.report.source == network.record


@pytest.mark.parametrize("name", [name for name in MAKERS if not name.endswith(".pt2")])
def test_what_is_not_trusted_is_not_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = MAKERS[name](two_levels(), tmp_path / name)
    monkeypatch.setattr(programs, "_convert_apart", lambda *_: pytest.fail("read"))
    with pytest.raises(InputError, match=r"is a TorchScript program, .* run code .* give `trust`"):
        load_model(path, ["1x3x16x16"])


def test_a_damaged_program(tmp_path: Path) -> None:
    (tmp_path / "net.ts").write_bytes(b"garbage")
    with pytest.raises(InputError, match=r"read as a TorchScript .* \(its conversion fails: .+\)"):
        load_model(tmp_path / "net.ts", trust=True)


def test_a_program_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        load_model(tmp_path / "net.pt2", trust=True)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ends in SIGSEGV"),
        ("import time; time.sleep(60)", r"has not ended after 0\.5 seconds"),
    ],
)
def test_a_conversion_that_does_not_return(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.pt2").touch()
    monkeypatch.setattr(programs, "_CONVERT", script)
    monkeypatch.setattr(programs, "_CONVERT_S", 0.5 if "sleep" in script else 60)
    with pytest.raises(InputError, match=words):
        programs.read_program(tmp_path / "net.pt2", EXPORTED, (), trust=True)


def test_a_missing_package_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.pt2").touch()
    lacking = "import sys; sys.modules['torch'] = None\n"
    monkeypatch.setattr(programs, "_CONVERT", lacking + programs._CONVERT)
    with pytest.raises(MissingExtraError, match="pip install"):
        programs.read_program(tmp_path / "net.pt2", EXPORTED, (), trust=True)
