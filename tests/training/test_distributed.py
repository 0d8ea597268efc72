"""Several processes train as one does.

Measured on a CPU in fp32: the losses of one and two processes differ by up to 1.2e-4 of their
value with the balanced recipe, whose deepest gradients are mostly rounding at first, and by less
than 1e-9 with the paper's. The tolerance leaves room for other machines' order of summing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions, train
from splittool.training.settings import make_settings

TOLERANCE = 1e-3

ROOT = Path(__file__).parents[2]


def _on_two_processes(folder: Path, model: Path, recipe: str, *more: str) -> None:
    command = ["-m", "splittool", "train", str(folder), "-o", str(model), "--recipe", recipe]
    command += ["--epochs", "2", "--batch-size", "2", "--workers", "0"]
    command += ["--device", "cpu", "--precision", "fp32"]
    _launch(*command, *more)


def _launch(*command: str) -> str:
    """Run Python with these arguments twice, as one world; returns what both print."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [sys.executable, *launch, *command],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("recipe", ["balanced", "paper"])
def test_two_processes_have_the_loss_curve_of_one(steel: Path, tmp_path: Path, recipe: str) -> None:
    one, two = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("one", "two"))
    _on_two_processes(steel, two.model, recipe)
    settings = make_settings(recipe, epochs=2, batch_size=2, precision="f32")
    train(steel, one.model, settings, TrainingOptions(device="cpu", workers=0))
    histories = [
        [json.loads(line) for line in outputs.history.read_text().splitlines()]
        for outputs in (one, two)
    ]
    for part in ("train", "validation"):
        losses = [[record[part]["loss"] for record in history] for history in histories]
        assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE)
    pairs = [[record["train"]["pairs"] for record in history] for history in histories]
    assert pairs[0] == pairs[1]
    for one_record, two_record in zip(*histories, strict=True):
        for score in ("kaggle", "floor"):
            found = two_record["validation"][score]
            assert found == pytest.approx(one_record["validation"][score], abs=0.02)


def test_bytes_have_the_same_price_on_two_processes(steel: Path, tmp_path: Path) -> None:
    one, two = (Outputs.beside(tmp_path / f"{name}.pt") for name in ("one", "two"))
    # Far from the target the weight is so large that one symbol rounded the other way is the loss.
    more = ["--arch", "splitnet", "--widths", "8,8,8", "--target-bytes", "600"]
    _on_two_processes(steel, two.model, "paper", *more)
    changes = {"arch": "splitnet", "target_bytes": 600.0, "epochs": 2, "batch_size": 2}
    settings = make_settings("paper", {"widths": [8, 8, 8]}, precision="f32", **changes)
    train(steel, one.model, settings, TrainingOptions(device="cpu", workers=0))
    histories = [
        [json.loads(line) for line in outputs.history.read_text().splitlines()]
        for outputs in (one, two)
    ]
    for part in ("train", "validation"):
        for name in ("loss", "bytes_per_frame"):
            values = [[record[part][name] for record in history] for history in histories]
            assert values[1] == pytest.approx(values[0], rel=TOLERANCE)


def test_several_processes_resume_as_if_never_stopped(steel: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import signal
from pathlib import Path
import torch
from splittool.errors import StoppedError
from splittool.training.distributed import world
from splittool.training.observer import Observer
from splittool.training.run import TrainingOptions, train
from splittool.training.settings import make_settings

class StopAfter(Observer):
    steps = 2

    def step_done(self, loss):
        self.steps -= 1
        if not self.steps:
            signal.raise_signal(signal.SIGINT)

with world(torch.device("cpu")) as processes:
    whole, parts = (Path({str(tmp_path)!r}) / name for name in ("w.pt", "p.pt"))
    folder, settings = Path({str(steel)!r}), make_settings("balanced", epochs=2, precision="f32")
    alone = TrainingOptions("cpu", workers=0)
    reports = [train(folder, whole, settings, alone)]
    try:
        train(folder, parts, settings, alone, observer=StopAfter())
    except StoppedError as stopped:
        assert "epoch 1 of 2, step 2 of 3" in str(stopped), stopped
    torch.distributed.barrier()  # the first process writes the file that all go on from
    reports.append(train(folder, parts, settings, TrainingOptions("cpu", workers=0, resume=True)))
    assert [(report.epochs, report.processes) for report in reports] == [(2, 2)] * 2
    assert reports[0].best.validation == reports[1].best.validation
""")
    _launch(str(script))
    whole, parts = (
        torch.load(tmp_path / name, weights_only=True)["state"] for name in ("w.pt", "p.pt")
    )
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are read from /proc")
def test_no_thread_of_the_group_outlives_it(tmp_path: Path) -> None:
    """One that does meets an interpreter that ends, and aborts the process now and then."""
    script = tmp_path / "script.py"
    script.write_text("""
from pathlib import Path
import torch
from splittool.training.distributed import world

def threads():
    return [f.read_text().strip() for f in Path("/proc/self/task").glob("*/comm")]

def train(processes):
    assert any("gloo" in name for name in threads())
    model = processes.wrap(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)))
    model(torch.zeros(2, 3, 8, 8)).sum().backward()

with world(torch.device("cpu")) as processes:
    train(processes)
print(f"left: {[name for name in threads() if 'gloo' in name]}\\n", end="", flush=True)
""")
    assert _launch(str(script)).splitlines() == ["left: []"] * 2
