"""Pipes, redirections and terminals, with real processes."""

import errno
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from splittool.errors import ExitCode
from splittool.reports import (
    BitrateReport,
    CutReport,
    SplitsReport,
    SynthReport,
    TrainReport,
    decode,
)

Env = dict[str, str]
LONG = "a-name-that-takes-more-than-one-line-of-a-terminal-" * 2


def on_terminal(command: list[str], cwd: Path, env: Env, stderr: bool = False) -> tuple[int, str]:
    """Run with stdout, or else stderr, on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL if stderr else theirs,
        stderr=theirs if stderr else subprocess.DEVNULL,
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


@pytest.mark.parametrize("arguments", ["bitrate -", "infer cut/cut.json - -o out"])
def test_stdin_closed(
    arguments: str, workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = f"{' '.join(splittool)} {arguments} <&-"
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, env=environment, cwd=workspace
    )
    assert result.returncode == ExitCode.BAD_INPUT
    (line,) = result.stderr.splitlines()
    assert "standard input is closed" in line


def test_all_closed(workspace: Path, splittool: list[str], environment: Env) -> None:
    """The files must not take the place of the streams."""
    command = f"{' '.join(splittool)} cut unet.xml --at maxpool_1 -o new <&- >&- 2>&-"
    result = subprocess.run(["sh", "-c", command], env=environment, cwd=workspace)
    assert result.returncode == ExitCode.FAILED
    report = decode((workspace / "new/cut.json").read_bytes(), "cut.json", CutReport)
    for record in (*report.head, *report.tail):
        assert (workspace / "new" / record.path).stat().st_size == record.bytes


@pytest.mark.parametrize("stderr", ["&-", "/dev/full"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [("bench-vpu unet.xml --iterations 2 --warmup 0", 0), ("bitrate gone.json", 3)],
)
def test_notes_and_errors_that_nobody_reads(
    arguments: str, code: int, stderr: str, workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = f"{' '.join(splittool)} {arguments} 2>{stderr}"
    result = subprocess.run(
        ["sh", "-c", command], stdout=subprocess.PIPE, env=environment, cwd=workspace
    )
    assert result.returncode == code
    assert bool(result.stdout) == (code == 0)


def test_training_goes_on_when_nobody_watches(
    workspace: Path, splittool: list[str], environment: Env
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*splittool, *["train", "steel", "-o", "new.pt", "--epochs", "2", "--workers", "0"]]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=writer, env=environment, cwd=workspace
    )
    os.close(writer)
    assert result.returncode == 0
    assert decode(result.stdout, "stdout", TrainReport).epochs == 2


def test_reports_are_utf8_everywhere(
    workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = [*splittool, *["synth", "stål", "--images", "1", "--size", "64x96"]]
    result = subprocess.run(
        command,
        capture_output=True,
        env={**environment, "PYTHONIOENCODING": "ascii"},
        cwd=workspace,
    )
    assert result.returncode == 0, result.stderr
    assert decode(result.stdout, "stdout", SynthReport).folder == "stål"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bitrate", "unet.xml", "--bits", "16", "--fps", "12", "--fps", "10"],
        ["cut", "unet.xml", "--list"],
        ["profile", "unet.xml"],
        ["bench-vpu", "unet.xml", "--iterations", "3", "--warmup", "0"],
        ["infer", "cut/cut.json", "steel/train_images", "-o", LONG],
        ["synth", LONG, "--images", "1", "--size", "64x96"],
        ["export", "unet.pt", "-o", f"{LONG}.xml"],
        ["cut", "unet.xml", "--at", "maxpool_2", "-o", LONG],
        ["train", "steel", "-o", f"{LONG}.pt", "--epochs", "1", "--workers", "0"],
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
    assert re.search("[a-z]{3}", shown)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    texts = [line for line in bare.splitlines() if "openvino.compile_model" not in line]
    assert max(map(len, texts)) <= 80  # lines to copy are never broken
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


def test_progress_on_a_terminal(workspace: Path, splittool: list[str], environment: Env) -> None:
    command = [*splittool, *["synth", "new", "--images", "20", "--size", "64x96"]]
    code, shown = on_terminal(command, workspace, environment, stderr=True)
    assert code == 0
    assert "rolling steel" in shown
    code, shown = on_terminal([*command, "--force", "-q"], workspace, environment, stderr=True)
    assert (code, shown) == (0, "")


def test_the_command_alone_shows_its_help(splittool: list[str], environment: Env) -> None:
    result = subprocess.run(splittool, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout) == (ExitCode.USAGE, "")
    assert result.stderr.startswith("Usage: splittool")
    assert "\n  synth " in result.stderr
