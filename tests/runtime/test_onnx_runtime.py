from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_networks import SHAPE, model, node, onnx, two_levels, value

from splittool.errors import DeviceError, InputError, MissingExtraError, UsageError
from splittool.runtime import onnx_runtime
from splittool.runtime.onnx_runtime import OnnxSession


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return two_levels(tmp_path / "net.onnx")


def test_a_network_runs_on_the_cpu(network: Path) -> None:
    session = OnnxSession(network)
    assert session.providers == ["CPUExecutionProvider"]
    assert [(port.name, port.shape) for port in session.inputs] == [("pixels", SHAPE)]
    (maps,) = session.run([np.ones(SHAPE, np.float32)])
    assert maps.shape == (1, 8, 6, 6)


@pytest.mark.parametrize("device", ["CUDA", "TensorRT"])
def test_a_provider_that_is_not_here_is_named(network: Path, device: str) -> None:
    if any(device.upper() in name.upper() for name in _present()):
        pytest.skip(f"{device} is here")
    with pytest.raises(
        DeviceError, match=r"no (CUDA|Tensorrt)ExecutionProvider .* onnxruntime-gpu"
    ):
        OnnxSession(network, device)


def _present() -> list[str]:
    return list(onnx_runtime.require_onnxruntime().get_available_providers())


def test_a_provider_that_does_not_load_is_no_silent_cpu(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with onnxruntime-gpu without a driver: it has the provider, and falls back."""
    package: Any = onnx_runtime.require_onnxruntime()
    session = package.InferenceSession
    monkeypatch.setattr(
        package, "get_available_providers", lambda: ["CUDAExecutionProvider", *_cpu()]
    )
    monkeypatch.setattr(
        package,
        "InferenceSession",
        lambda path, options, providers: session(path, providers=_cpu()),
    )
    with pytest.raises(DeviceError, match=r"CUDA was asked for .* CUDAExecutionProvider did not"):
        OnnxSession(network, "CUDA")


def _cpu() -> list[str]:
    return ["CPUExecutionProvider"]


def test_an_unknown_device_is_a_usage_error(network: Path) -> None:
    with pytest.raises(UsageError, match="give one of: CPU, CUDA, TensorRT"):
        OnnxSession(network, "TPU")


def test_a_damaged_file_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="ONNX Runtime cannot run"):
        OnnxSession(path)


def test_without_the_package_the_extra_is_named(
    network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_runtime, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'splittool\[onnx\]'"):
        OnnxSession(network)


def test_whole_numbers_are_of_the_type_that_openvino_takes(tmp_path: Path) -> None:
    nodes = [node("Cast", "whole", "x", to=onnx.TensorProto.INT64)]
    out = value("whole", kind=onnx.TensorProto.INT64)
    path = tmp_path / "net.onnx"
    onnx.save(model(nodes, [value("x")], [out], []), path)
    (found,) = OnnxSession(path).run([np.ones(SHAPE, np.float32)])
    assert found.dtype.char == np.dtype(np.int64).char
