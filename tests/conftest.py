"""Tiny data and models, made once."""

import os
import sys

# Before torch is imported, here and in the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import old_runtimes
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, settings
from networks import write_cut

from splittool.benchmark.old_runtime import OldRuntime
from splittool.conversion.checkpoint import convert
from splittool.data.images import Canvas
from splittool.data.synthetic_folder import write_synthetic
from splittool.graph.graph import Graph, read_graph
from splittool.models import Segmenter, build
from splittool.models.checkpoints import Checkpoint, load, restore, weights_of
from splittool.runtime.ir import save_ir

CLASSES = ("1", "2", "3", "4")
SIZE = (64, 96)
TINY = {"widths": [4, 6], "bottleneck": 8, "activation": "relu", "norm": "batch"}
PAPER = {"activation": "elu", "norm": "none"}

# The same examples on every run; --hypothesis-profile=explore looks for new ones.
_quiet: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("repeat", derandomize=True, **_quiet)
settings.register_profile("explore", max_examples=500, **_quiet)
settings.load_profile("repeat")


@pytest.fixture(scope="session")
def steel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 synthetic images of 64x96 pixels."""
    folder = tmp_path_factory.mktemp("data") / "steel"
    write_synthetic(folder, 12, *SIZE, seed=0)
    return folder


def _write_checkpoint(
    path: Path, options: dict[str, Any], seed: int = 0, size: tuple[int, int] = SIZE
) -> Path:
    torch.manual_seed(seed)
    pixels = (100.0, 50.0) if options["norm"] == "batch" else (0.0, 255.0)  # as the recipes do
    model = build("unet", len(CLASSES), options, *pixels)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):  # as if trained: folding has work to do
                for values in (module.weight, module.running_var):
                    values.copy_(torch.rand_like(values) + 0.5)
                for values in (module.bias, module.running_mean):
                    values.copy_(torch.randn_like(values) / 4)
    Checkpoint(
        arch="unet",
        options=options,
        classes=list(CLASSES),
        canvas=Canvas(*size),
        state=weights_of(model),
    ).save(path)
    return path


@pytest.fixture(scope="session")
def write_checkpoint() -> Callable[..., Path]:
    """A function that writes a checkpoint with random weights: (path, options, seed, size)."""
    return _write_checkpoint


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny checkpoint, tiny.pt, and its IR, tiny.xml and tiny.bin."""
    folder = tmp_path_factory.mktemp("models")
    checkpoint = _write_checkpoint(folder / "tiny.pt", TINY)
    save_ir(convert(checkpoint).model, folder / "tiny.xml")
    return folder


@pytest.fixture(scope="session")
def checkpoint(models: Path) -> Path:
    """A tiny U-Net with batch normalisation and random weights."""
    return models / "tiny.pt"


@pytest.fixture(scope="session")
def exported(models: Path) -> Path:
    """The same as OpenVINO IR with 16-bit weights."""
    return models / "tiny.xml"


@pytest.fixture(scope="session")
def network(checkpoint: Path) -> Segmenter:
    """The same as a torch module; do not change it."""
    return restore(checkpoint, load(checkpoint))


@pytest.fixture(scope="session")
def cut_folder(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same cut at maxpool_2; do not change it."""
    folder = tmp_path_factory.mktemp("cut")
    write_cut(exported, ["maxpool_2"], folder, 1e-3)
    return folder


@pytest.fixture(scope="session")
def paper_graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The paper's network at 256x1600: ELU, no normalisation, 4 classes."""
    path = tmp_path_factory.mktemp("paper") / "paper.pt"
    _write_checkpoint(path, PAPER, size=(256, 1600))
    return read_graph(convert(path).model)


@pytest.fixture(scope="session")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `splittool` on the PATH that is this interpreter's."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "splittool"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m splittool "$@"\n')
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def old_python(pytestconfig: pytest.Config) -> Path:
    """The interpreter of an environment with OpenVINO 2021.4.2."""
    return _prepared(pytestconfig, "old-runtime", old_runtimes.make_runtime)


@pytest.fixture(scope="session")
def myriad_compiler(pytestconfig: pytest.Config) -> Path:
    """OpenVINO 2021.3's compiler for Myriad X."""
    return _prepared(pytestconfig, "myriad-compiler", old_runtimes.fetch_compiler)


@pytest.fixture(scope="session")
def libusb(pytestconfig: pytest.Config) -> Path:
    """A folder with libusb, whatever the machine has."""
    return _prepared(pytestconfig, "libusb", old_runtimes.fetch_libusb)


@pytest.fixture(scope="session")
def old_runtime(old_python: Path) -> Iterator[OldRuntime]:
    """A worker in it."""
    with OldRuntime(old_python) as runtime:
        yield runtime


def _prepared(config: pytest.Config, name: str, make: Callable[[Path], Path]) -> Path:
    """What was made before, or by another worker, or now."""
    folder = config.cache.mkdir(name)
    with FileLock(folder.with_suffix(".lock")):
        try:
            return make(folder)
        except old_runtimes.UnavailableError as error:
            pytest.skip(str(error))
