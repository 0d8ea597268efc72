"""Pipes, redirections and terminals, with real processes."""

import errno
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from splittool.errors import ExitCode
from splittool.reports import BitrateReport, CutReport, SplitsReport, decode

Env = dict[str, str]


def on_terminal(command: list[str], cwd: Path, env: Env) -> tuple[int, str]:
    """Run with stdout on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=cwd,
        env={**env, "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError as error:  # how a terminal says that it was closed
        if error.errno != errno.EIO:
            raise
    finally:
        os.close(ours)
    return process.wait(), shown.decode().replace("\r\n", "\n")


def test_cut_pipes_into_bitrate(workspace: Path, splittool: list[str], environment: Env) -> None:
    name = " ".join(splittool)
    command = (
        f"{name} cut unet.xml --at maxpool_2 -o new --json | {name} bitrate - --bits 4 --fps 10"
    )
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        env=environment,
        cwd=workspace,
    )
    assert result.returncode == 0, result.stderr
    report = decode(result.stdout, "stdout", BitrateReport)
    assert [row.point for row in report.rows] == ["input", "maxpool_2"]
    cut = decode((workspace / "new/cut.json").read_bytes(), "cut.json", CutReport)
    assert report.rows[1].mbps["10"] == pytest.approx(cut.split.elements * 4 * 10 / 1e6)
    assert report.rows[0].bits == 8  # pixels go as they are, whatever the bits of the rest


def test_reader_gone(workspace: Path, splittool: list[str], environment: Env) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*splittool, "bitrate", "cut/cut.json"]
    result = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, env=environment, cwd=workspace
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (ExitCode.PIPE_CLOSED, b"")


def test_stdout_closed(workspace: Path, splittool: list[str], environment: Env) -> None:
    command = f"{' '.join(splittool)} bitrate cut/cut.json >&-"
    result = subprocess.run(
        ["sh", "-c", command], stderr=subprocess.PIPE, text=True, env=environment, cwd=workspace
    )
    assert result.returncode == ExitCode.FAILED
    (line,) = result.stderr.splitlines()
    assert "standard output is closed" in line


def test_stdin_closed(workspace: Path, splittool: list[str], environment: Env) -> None:
    command = f"{' '.join(splittool)} bitrate - <&-"
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, cwd=workspace
    )
    assert result.returncode == ExitCode.BAD_INPUT
    (line,) = result.stderr.splitlines()
    assert "standard input is closed" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["bitrate", "unet.xml", "--bits", "16", "--fps", "12", "--fps", "10"],
        ["cut", "unet.xml", "--list"],
        ["profile", "unet.xml"],
        ["bench-vpu", "unet.xml", "--iterations", "3", "--warmup", "0"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_table_on_a_terminal(
    arguments: list[str], workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = [*splittool, *arguments]
    code, shown = on_terminal(command, workspace, {**environment, "NO_COLOR": "1"})
    assert code == 0
    assert "{" not in shown
    assert "maxpool" in shown or "FPS" in shown
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, bare.splitlines())) <= 80
    colours = re.findall(r"\x1b\[(?:3[0-7]|9[0-7])m", shown)
    assert colours == []


def test_json_on_a_terminal(workspace: Path, splittool: list[str], environment: Env) -> None:
    command = [*splittool, "cut", "unet.xml", "--list", "--json"]
    code, shown = on_terminal(command, workspace, environment)
    assert code == 0
    decode(shown.encode(), "terminal", SplitsReport)


def test_quiet_says_nothing_on_stderr(
    workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = [*splittool, "bench-vpu", "unet.xml", "--iterations", "2", "--warmup", "0"]
    loud = subprocess.run(command, capture_output=True, env=environment, cwd=workspace)
    assert b"no VPU is here" in loud.stderr or b"NPU" in loud.stdout
    quiet = subprocess.run([*command, "-q"], capture_output=True, env=environment, cwd=workspace)
    assert (quiet.returncode, quiet.stderr) == (0, b"")
