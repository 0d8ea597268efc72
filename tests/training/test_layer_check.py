"""Layers whose gradients are wrong in 16 bits are found, and mended on the spot."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from splittool.errors import TrainingError
from splittool.models import NETWORKS, build
from splittool.training.layer_check import LayerCheck, differs
from splittool.training.learner import Learner
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs


class _Wrong(torch.autograd.Function):
    """A convolution of a runtime that errs in the gradient of the weights."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, weight: Tensor, bad: float) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.bad = bad
        return output.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient, torch.full_like(ctx.saved_tensors[0], ctx.bad), None


class WrongConv(nn.Conv2d):
    """Wrong in bf16, right in 32 bits."""

    bad = float("nan")

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return found if found.dtype == torch.float32 else _Wrong.apply(found, self.weight, self.bad)


def _step(network: nn.Module, pixels: Tensor) -> list[str]:
    check = LayerCheck(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(pixels).float().square().mean().backward()
    return check.close()


def _network(middle: nn.Module) -> nn.Sequential:
    relu = nn.ReLU(inplace=True)  # as the networks have; it overwrites what the hooks watch
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), relu, middle, nn.Conv2d(8, 2, 1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 7.0])
def test_a_wrong_layer_is_found_and_its_gradient_is_made_right(bad: float) -> None:
    torch.manual_seed(0)
    wrong = WrongConv(8, 8, 3, padding=1)
    wrong.bad = bad
    network = _network(wrong)
    pixels = torch.rand(2, 3, 16, 16)
    assert _step(network, pixels) == ["2"]
    found = wrong.weight.grad
    assert found is not None
    assert found.isfinite().all()
    network.zero_grad()
    network(pixels).square().mean().backward()
    assert torch.allclose(found, wrong.weight.grad, rtol=0.2, atol=0.02)
    # From now on it is right by itself.
    network.zero_grad()
    assert _step(network, pixels) == []
    assert wrong.weight.grad.isfinite().all()


@pytest.mark.parametrize("arch", NETWORKS)
def test_right_layers_are_left_alone(arch: str) -> None:
    """Of every network; rounding is not taken for an error."""
    torch.manual_seed(0)
    small: dict[str, dict[str, Any]] = {
        "unet": {"widths": [4, 6], "bottleneck": 8},
        "pspnet": {"widths": [4, 4, 4, 4], "blocks": [1, 1, 1, 1]},
        "splitnet": {"widths": [8, 8], "bottleneck": 4},
    }
    options = small.get(arch, {"widths": [4, 4, 4, 4, 4], "fully_connected": 8})
    network = build(arch, 2, options).train()
    pixels = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    assert _step(network, pixels) == []


def test_what_cannot_be_told_is_left_alone() -> None:
    shared = WrongConv(8, 8, 1)
    shared.bad = 0.0
    network = nn.Sequential(nn.Conv2d(3, 8, 1), shared, shared)
    assert _step(network, torch.rand(1, 3, 4, 4)) == []
    overflowed = torch.full((3,), float("inf"))
    assert not differs(torch.zeros(3), overflowed)
    assert differs(overflowed, torch.zeros(3))
    assert not differs(torch.zeros(3), torch.zeros(3))
    assert differs(torch.ones(3), torch.zeros(3))


def test_watching_leaves_nothing_behind() -> None:
    network = _network(nn.Conv2d(8, 8, 3, padding=1))
    _step(network, torch.rand(1, 3, 8, 8))
    for module in network.modules():
        assert not module._forward_hooks
        assert "forward" not in vars(module)


class Notes(Observer):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def noted(self, text: str) -> None:
        self.notes.append(text)


def test_a_run_says_which_layer_runs_in_f32(
    outputs: Outputs, run_training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LayerCheck, "close", lambda self: ["network.fc6"])
    notes = Notes()
    run_training(outputs, observer=notes, precision="bf16", epochs=1)
    assert notes.notes == ["layer network.fc6 runs in f32: its bf16 gradient is wrong"]
    notes.notes.clear()
    run_training(Outputs.beside(outputs.model.with_name("other.pt")), observer=notes, epochs=1)
    assert notes.notes == []


def test_a_network_that_overflowed_is_not_kept(
    outputs: Outputs, run_training: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Learner.require_finite

    def spoil(self: Learner, epoch: int) -> None:
        with torch.no_grad():
            next(self.model.parameters()).fill_(float("nan"))
        own(self, epoch)

    monkeypatch.setattr(Learner, "require_finite", spoil)
    with pytest.raises(TrainingError, match=r"weights .* overflowed in epoch 1; lower"):
        run_training(outputs)
    assert not outputs.model.exists()


@pytest.mark.parametrize("arch", ["fcn32s", "pspnet"])
def test_training_with_the_threads_that_there_are(
    arch: str, steel: Path, tmp_path: Path, environment_of_user: dict[str, str]
) -> None:
    """All other tests compute in one thread, and some errors of kernels need several."""
    command = [sys.executable, "-m", "splittool", "train", str(steel), "--arch", arch]
    command += ["--widths", "8,8,8,8,8" if arch == "fcn32s" else "4,4,4,4", "--epochs", "1"]
    command += ["-o", str(tmp_path / "net.pt"), "--precision", "bf16", "--size", "64x96"]
    done = subprocess.run(command, env=environment_of_user, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    export = [sys.executable, "-m", "splittool", "export", str(tmp_path / "net.pt")]
    export += ["-o", str(tmp_path / "net.xml")]
    exported = subprocess.run(export, env=environment_of_user, capture_output=True, text=True)
    assert exported.returncode == 0, exported.stderr


@pytest.fixture
def environment_of_user() -> dict[str, str]:
    import os

    root = str(Path(__file__).resolve().parents[2])
    kept = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    return {**kept, "PYTHONPATH": root}
