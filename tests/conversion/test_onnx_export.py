from pathlib import Path

import numpy as np
import pytest
from onnx_networks import onnx

from splittool.conversion.onnx_export import export_onnx
from splittool.graph.halves import run_in_f32
from splittool.network.network import Network
from splittool.runtime.onnx_runtime import OnnxSession


@pytest.fixture(scope="module")
def written(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(checkpoint, path)
    return path


def test_it_computes_what_the_checkpoint_does(written: Path, checkpoint: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
    (maps,) = OnnxSession(written).run([pixels])
    ir = Network.load(checkpoint)
    (expected,) = run_in_f32(ir.model, [pixels])
    assert np.abs(maps - expected).max() < 1e-3  # the checkpoint's IR has weights of 16 bits


def test_it_says_of_itself_what_the_checkpoint_does(written: Path, checkpoint: Path) -> None:
    assert Network.load(written).info == Network.load(checkpoint).info


@pytest.mark.parametrize("point", ["maxpool_1", "maxpool_2"])
def test_its_cuts_send_the_same_tensors(written: Path, checkpoint: Path, point: str) -> None:
    ours, ir = (Network.load(path).cut(point).price for path in (written, checkpoint))
    assert ours.tensors == ir.tensors
    assert ours.head_gflops == ir.head_gflops
    assert ours.head_parameters == ir.head_parameters


def test_it_is_valid(written: Path) -> None:
    onnx.checker.check_model(onnx.load(written), full_check=True)
