"""Help is complete, and quick because it imports nothing heavy."""

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from splittool import __version__
from splittool.cli.main import COMMANDS as LISTED
from splittool.cli.main import app, run

COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
HEAVY = ("torch", "openvino", "numpy", "PIL", "rich", "matplotlib", "msgspec", "networkx")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help(command: str | None, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, flag] if command else [flag]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("Usage: splittool")
    assert captured.err == ""


def test_root_help_shows_every_summary_whole(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--help"])
    shown = capsys.readouterr().out
    for name, command in COMMANDS.items():
        summary = command.help.partition("\n")[0].rstrip(".")
        assert f"{name} " in shown
        assert summary in shown
        assert LISTED[name][1] == command.help.partition("\n")[0]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"splittool {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_no_heavy_import(arguments: list[str], environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom splittool.cli.main import run\n"
        f"run({arguments!r})\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


def test_internal_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from splittool.cost.bitrate import Streams

    def fail(streams: Streams) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Streams, "check", fail)
    assert run(["bitrate", "x.xml"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "internal error: ZeroDivisionError: a bug" in line
    with pytest.raises(ZeroDivisionError):
        run(["bitrate", "x.xml", "--debug"])
