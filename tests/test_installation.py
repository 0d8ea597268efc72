"""The package as pip installs it: whole, and without torch for devices and servers."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = ROOT / "requirements-runtime.txt"


def _requirements() -> list[str]:
    lines = (line.partition("#")[0].strip() for line in RUNTIME.read_text().splitlines())
    return [line for line in lines if line]


def test_a_runtime_leaves_out_torch_and_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (torch,) = set(project["dependencies"]) - set(_requirements())
    assert torch.startswith("torch>=")
    assert set(_requirements()) < set(project["dependencies"])


def test_the_users_packages_are_dependencies() -> None:
    """`pip install .` gives every command of the chain."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {dependency.partition(">")[0] for dependency in dependencies}
    assert {"typer", "rich", "torch", "openvino", "numpy", "pillow", "tqdm"} <= names


@pytest.fixture(scope="module")
def runtime_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment made by the line in requirements-runtime.txt."""
    environment = tmp_path_factory.mktemp("runtime") / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    (line,) = (line for line in RUNTIME.read_text().splitlines() if "pip install" in line)
    path = f"{environment / 'bin'}:{os.environ['PATH']}"
    command = line.removeprefix("#").strip()
    subprocess.run(["sh", "-ec", command], cwd=ROOT, env={**os.environ, "PATH": path}, check=True)
    return environment / "bin"


def _run(bin_folder: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The installed command, which must not find this source tree."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command: Sequence[str | Path] = [bin_folder / "splittool", *arguments]
    return subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_halves_run_without_torch(
    runtime_only: Path, cut_folder: Path, steel: Path, exported: Path, tmp_path: Path
) -> None:
    imported = subprocess.run(
        [runtime_only / "python", "-I", "-c", "import torch"], capture_output=True, check=False
    )
    assert imported.returncode != 0
    images = str(steel / "train_images")
    command = ["infer", str(cut_folder / "cut.json"), images, "-o", "out", "--bits", "4"]
    done = _run(runtime_only, tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 12
    assert "torch" not in json.loads(done.stdout)["versions"]
    for arguments in (
        ["cut", str(exported), "--at", "maxpool_1", "-o", "cut"],
        ["profile", str(exported)],
        ["bitrate", str(exported), "--fps", "10"],
        ["bench-vpu", str(exported), "--iterations", "2", "--warmup", "0"],
        ["doctor"],
    ):
        done = _run(runtime_only, tmp_path, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.slow
def test_what_needs_torch_says_so(
    runtime_only: Path, checkpoint: Path, steel: Path, tmp_path: Path
) -> None:
    for arguments in (
        ["profile", str(checkpoint)],
        ["cut", str(checkpoint), "--list"],
        ["infer", str(checkpoint), str(steel / "train_images"), "-o", "out"],
        ["export", str(checkpoint), "-o", "x.xml"],
        ["train", str(steel), "-o", "x.pt"],
    ):
        done = _run(runtime_only, tmp_path, *arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        (line,) = done.stderr.splitlines()
        assert line.endswith("pip install torch"), arguments
