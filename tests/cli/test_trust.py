"""Every command that takes a network takes a program of PyTorch, but only with --trust."""

from collections.abc import Sequence
from pathlib import Path

import openvino as ov
import pytest
from rich.console import Group

from splittool import load
from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.graph import programs, reading
from splittool.runtime.ir import core

COMMANDS = [
    "cut net.pt2 --list",
    "cut net.pt2 --at maxpool_1 -o new",
    "profile net.pt2",
    "bench-vpu net.pt2 --device CPU --iterations 2 --warmup 0",
    "bench-vpu net.pt2 --estimate myriad-x",
    "bitrate net.pt2",
    "infer net.pt2 steel/train_images -o out",
    "compare net.pt2 steel/train_images --bits 8 --codec raw --formats png",
    "compare unet.xml steel/train_images --bits 8 --codec raw --formats png --cloud net.pt2",
    "export net.pt2 -o new.xml",
    "plan net.pt2 --edge 1GFLOPS --cloud 1TFLOPS --link 100Mbps",
]


@pytest.fixture
def program(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .pt2 that becomes the graph of unet.xml where it is trusted; conversion takes long."""
    real = programs.read_program

    def read(path: Path, kind: str, shapes: Sequence[str], trust: bool, *more: str) -> ov.Model:
        return core().read_model("unet.xml") if trust else real(path, kind, shapes, trust, *more)

    monkeypatch.setattr(reading, "read_program", read)
    (workspace / "net.pt2").touch()
    return workspace / "net.pt2"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_program_needs_trust(
    command: str, program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.split()) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{program.name} is an exported program of PyTorch" in said
    assert "can run code" in said
    assert "--trust" in said
    assert run([*command.split(), "--trust"]) == ExitCode.OK


def test_a_plan_makes_its_cut_with_trust(program: Path) -> None:
    report = load(program, trust=True).plan("1GFLOPS", "1TFLOPS", "100Mbps")
    (command,) = [part for part in report.tables() if isinstance(part, Group)]
    assert str(command.renderables[0]).startswith(f"splittool cut {program} --trust --at ")


def test_a_program_is_not_written_as_onnx(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "cut net.pt2 --trust --at maxpool_1 --target onnx"
    assert run(command.split()) == ExitCode.USAGE
    assert "cannot be written as ONNX" in capsys.readouterr().err


def test_the_ir_of_a_program_needs_no_trust(program: Path) -> None:
    assert run(f"export {program.name} --trust --precision f32".split()) == ExitCode.OK
    assert load("net.xml").split_points == load("unet.xml").split_points


@pytest.mark.parametrize("options", ["net.pt2 --size 64x96 --trust", "unet.pt --shape 1x3x64x96"])
def test_sizes_are_of_checkpoints_and_shapes_of_programs(
    options: str, program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"export {options} -o new.xml".split()) == ExitCode.USAGE
    assert "leave it out" in capsys.readouterr().err
    assert not (program.parent / "new.xml").exists()
