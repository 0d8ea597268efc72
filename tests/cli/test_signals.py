"""Ctrl-C and SIGTERM, with real processes."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from splittool.errors import ExitCode
from splittool.reports import BenchReport, decode

Env = dict[str, str]

TRAIN = [
    "train",
    "steel",
    "-o",
    "new.pt",
    "--workers",
    "0",
    "--epochs",
    "40",
    "--precision",
    "fp32",
]
SLOW = 120.0


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the process has written a file."""
    end = time.monotonic() + SLOW
    while not path.is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


def start(command: list[str], cwd: Path, env: Env) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_training_is_saved_and_goes_on(
    number: int, code: int, workspace: Path, splittool: list[str], environment: Env
) -> None:
    process = start([*splittool, *TRAIN], workspace, environment)
    wait_for(workspace / "new.state.pt", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert process.returncode == code, err
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("splittool: stopped in epoch")
    assert last.endswith(" ".join(["splittool", *TRAIN, "--resume"]))
    state = torch.load(workspace / "new.state.pt", weights_only=True)
    assert 1 <= state["progress"]["epoch"] <= 40
    if number == signal.SIGINT:
        resumed = subprocess.run(
            [*splittool, *TRAIN, "--resume"], capture_output=True, cwd=workspace, env=environment
        )
        assert resumed.returncode == 0, resumed.stderr
        whole = [word.replace("new.pt", "whole.pt") for word in TRAIN]
        subprocess.run(
            [*splittool, *whole], check=True, capture_output=True, cwd=workspace, env=environment
        )
        one, other = (
            torch.load(workspace / f"{n}.pt", weights_only=True) for n in ("new", "whole")
        )
        assert one["training"]["epoch"] == other["training"]["epoch"]
        for name, tensor in one["state"].items():
            assert torch.equal(tensor, other["state"][name]), name


def test_benchmark_reports_what_it_has(
    workspace: Path, splittool: list[str], environment: Env
) -> None:
    command = [*splittool, "bench-vpu", "unet.xml", "--minutes", "5", "--warmup", "0"]
    process = start(command, workspace, environment)
    assert process.stderr is not None
    assert "measuring on" in process.stderr.readline()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=SLOW)
    assert process.returncode == ExitCode.INTERRUPTED
    report = decode(out.encode(), "stdout", BenchReport)
    assert report.interrupted
    assert report.frames == sum(window.frames for window in report.windows) > 0


def test_interrupted_predictions_are_whole(
    workspace: Path, splittool: list[str], environment: Env
) -> None:
    from PIL import Image

    source = min((workspace / "steel/train_images").iterdir())
    for number in range(400):
        (workspace / f"steel/train_images/copy_{number:03d}.jpg").symlink_to(source)
    command = [*splittool, "infer", "unet.xml", "steel/train_images", "-o", "out", "--no-labels"]
    process = start(command, workspace, environment)
    wait_for(workspace / "out/masks/copy_000.png", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SLOW)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, ""), err
    assert err.strip().splitlines()[-1] == "splittool: interrupted"
    assert not (workspace / "out/report.json").exists()
    written = [path for path in (workspace / "out").rglob("*") if path.is_file()]
    assert written
    for path in written:
        with Image.open(path) as image:
            image.load()
