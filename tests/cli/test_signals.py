"""Ctrl-C and SIGTERM, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from splittool.cli.main import run
from splittool.errors import ExitCode
from splittool.reports import BenchReport, decode

Env = dict[str, str]
Start = Callable[..., subprocess.Popen[str]]

TRAIN = [
    "train",
    "steel",
    "-o",
    "new.pt",
    "--workers",
    "0",
    "--epochs",
    "12",
    "--precision",
    "fp32",
]
SLOW = 120.0
SIGNALS = [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the process has written a file."""
    end = time.monotonic() + SLOW
    while not path.is_file():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(workspace: Path, splittool: list[str], environment: Env) -> Iterator[Start]:
    """A function that starts a command; what still runs after the test is ended."""
    with ExitStack() as started:

        def call(*arguments: str, group: int | None = None) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*splittool, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=workspace,
                env=environment,
                process_group=group,
                # A shell's background jobs ignore Ctrl-C, and so would what they start.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield call


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_training_is_saved_and_goes_on(
    number: int,
    code: int,
    workspace: Path,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = start(*TRAIN)
    wait_for(workspace / "new.state.pt", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert process.returncode == code, err
    assert out == ""
    last = err.strip().splitlines()[-1]
    assert last.startswith("splittool: stopped in epoch")
    assert last.endswith(" ".join(["splittool", *TRAIN, "--resume"]))
    state = torch.load(workspace / "new.state.pt", weights_only=True)
    assert 1 <= state["progress"]["epoch"] <= 12
    if number == signal.SIGINT:
        monkeypatch.chdir(workspace)
        assert run([*TRAIN, "--resume"]) == 0
        assert run([word.replace("new.pt", "whole.pt") for word in TRAIN]) == 0
        one, other = (torch.load(f"{name}.pt", weights_only=True) for name in ("new", "whole"))
        assert one["training"]["epoch"] == other["training"]["epoch"]
        for name, tensor in one["state"].items():
            assert torch.equal(tensor, other["state"][name]), name


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_to_the_whole_group_leaves_the_workers_alone(
    number: int, code: int, workspace: Path, start: Start
) -> None:
    """As `timeout` and terminals send it."""
    process = start(*[word if word != "0" else "1" for word in TRAIN], group=0)
    wait_for(workspace / "new.state.pt", process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=SLOW)
    assert process.returncode == code, err
    assert err.strip().splitlines()[-1].startswith("splittool: stopped in epoch")
    with pytest.raises(ProcessLookupError):  # nobody is left
        os.killpg(process.pid, 0)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_benchmark_reports_what_it_has(
    number: int, code: int, workspace: Path, start: Start
) -> None:
    command = ["bench-vpu", "unet.xml", "--minutes", "5", "--warmup", "0"]
    process = start(*command)
    assert process.stderr is not None
    assert "measuring on" in process.stderr.readline()
    time.sleep(1)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert process.returncode == code
    assert err in ("", "splittool: interrupted\n")
    report = decode(out.encode(), "stdout", BenchReport)
    assert report.interrupted
    assert report.frames == sum(window.frames for window in report.windows) > 0


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_interrupted_predictions_are_whole(
    number: int, code: int, workspace: Path, start: Start
) -> None:
    from PIL import Image

    source = min((workspace / "steel/train_images").iterdir())
    for copy in range(400):
        (workspace / f"steel/train_images/copy_{copy:03d}.jpg").symlink_to(source)
    command = ["infer", "unet.xml", "steel/train_images", "-o", "out", "--no-labels"]
    process = start(*command)
    wait_for(workspace / "out/masks/copy_000.png", process)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert (process.returncode, out) == (code, ""), err
    assert err in ("splittool: interrupted\n", "splittool: terminated\n")
    assert not (workspace / "out/report.json").exists()
    written = [path for path in (workspace / "out").rglob("*") if path.is_file()]
    assert written
    for path in written:
        with Image.open(path) as image:
            image.load()


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_an_interrupted_data_set_does_not_appear(
    number: int, code: int, workspace: Path, start: Start
) -> None:
    before = sorted((workspace / "steel").rglob("*"))
    command = ["synth", "steel", "--images", "5000", "--size", "64x96", "--force"]
    process = start(*command)
    end = time.monotonic() + SLOW
    while not list((workspace / "steel").glob(".splittool-*/train_images/*")):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert (process.returncode, out) == (code, "")
    assert err in ("splittool: interrupted\n", "splittool: terminated\n")
    assert sorted((workspace / "steel").rglob("*")) == before


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
@pytest.mark.parametrize("library", ["numpy", "openvino", "libtorch_python"])
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_while_modules_load_ends_the_command(
    number: int, code: int, library: str, start: Start, workspace: Path
) -> None:
    process = start("export", "unet.pt", "-o", "new.xml")
    while library not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=SLOW)
    assert (process.returncode, out) == (code, ""), err
    assert err in ("splittool: interrupted\n", "splittool: terminated\n")
    assert not (workspace / "new.xml").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_an_import_ends_at_once(
    number: int, tmp_path: Path, environment: Env
) -> None:
    """Also where the module that is loading would take the exception for something else."""
    (tmp_path / "slow.py").write_text(
        "import os, signal\n"
        "try:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "    for _ in range(1000): pass\n"
        "except BaseException: raise ImportError('optional')\n"
    )
    script = (
        "import signal\n"  # a shell's background job ignores it
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from splittool.cli.signals import end_on_signals\n"
        "end_on_signals()\n"
        "try: import slow\n"
        "except ImportError: print('went on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "PYTHONPATH": f"{environment['PYTHONPATH']}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=SLOW,
    )
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (done.returncode, done.stdout, done.stderr) == (
        128 + number,
        "",
        f"splittool: {word}\n",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_destructor_is_not_lost(number: int, environment: Env) -> None:
    script = f"""
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
from splittool.cli.signals import end_on_signals
end_on_signals()
class Late:
    def __del__(self):
        os.kill(os.getpid(), {int(number)})
        for _ in range(1000): pass
Late()
print('went on')
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SLOW,
    )
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == f"splittool: {word}\n"


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.2])
def test_a_second_ctrl_c_right_behind_the_first(
    pause: float, start: Start, workspace: Path
) -> None:
    """With processes that load images, too: one line, no traceback, nothing left running."""
    command = [*TRAIN]
    command[command.index("0")] = "2"
    process = start(*command)
    wait_for(workspace / "new.state.pt", process)
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SLOW)
    assert (process.returncode, out) == (ExitCode.INTERRUPTED, ""), err
    assert "Traceback" not in err, err
    assert err.strip().splitlines()[-1].startswith("splittool: ")
    assert torch.load(workspace / "new.state.pt", weights_only=True)["progress"]["epoch"] >= 1
