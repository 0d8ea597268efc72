"""ONNX Runtime: networks on its execution providers."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splittool.errors import DeviceError, InputError, MissingExtraError, UsageError

Array = NDArray[np.generic]

# By device, the providers in the order in which operations are offered to them.
PROVIDERS = {
    "CPU": ("CPUExecutionProvider",),
    "CUDA": ("CUDAExecutionProvider",),
    "TensorRT": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
_ERRORS_ALONE = 3  # level of its log


@dataclass(frozen=True)
class Port:
    """An input or output.

    Attributes:
        name: Its name.
        shape: Its sizes; None for one that is open.
        dtype: NumPy's type of an element.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]


def require_onnxruntime() -> Any:
    """The package onnxruntime.

    Raises:
        MissingExtraError: It is not installed.
    """
    if find_spec("onnxruntime") is None:
        raise MissingExtraError(
            "ONNX Runtime is not installed: pip install 'splittool[onnx]' (or onnxruntime-gpu for"
            " NVIDIA)"
        )
    import onnxruntime

    return onnxruntime


def require_provider(device: str) -> tuple[str, ...]:
    """The execution providers of a device.

    Raises:
        UsageError: There is no such device.
        DeviceError: The installed ONNX Runtime cannot use it.
        MissingExtraError: ONNX Runtime is not installed.
    """
    names = {name.upper(): name for name in PROVIDERS}
    name = names.get(device.upper())
    if name is None:
        raise UsageError(
            f"unknown device {device!r} of ONNX Runtime; give one of: {', '.join(PROVIDERS)}"
        )
    onnxruntime = require_onnxruntime()
    present = onnxruntime.get_available_providers()
    missing = [provider for provider in PROVIDERS[name] if provider not in present]
    if missing:
        raise DeviceError(
            f"no {missing[0]} is in onnxruntime {onnxruntime.__version__} (it has"
            f" {', '.join(present)}); for NVIDIA: pip uninstall onnxruntime, then pip install"
            " onnxruntime-gpu"
        )
    return PROVIDERS[name]


class OnnxSession:
    """A network in ONNX Runtime.

    Args:
        path: The .onnx file.
        device: "CPU", "CUDA" or "TensorRT". All of the network runs there, or nothing does.
        threads: Threads of the processor that one run uses; None leaves it to ONNX Runtime.

    Attributes:
        providers: The execution providers that it really got.
        inputs: Its inputs.
        outputs: Its outputs.

    Raises:
        InputError: ONNX Runtime cannot read the file.
        UsageError: There is no such device.
        DeviceError: The device is not there, or cannot run all of the network.
        MissingExtraError: ONNX Runtime is not installed.
    """

    def __init__(self, path: Path, device: str = "CPU", threads: int | None = None) -> None:
        wanted = require_provider(device)
        onnxruntime = require_onnxruntime()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        options.intra_op_num_threads = threads or 0
        if device.upper() != "CPU":
            # Else what the device cannot run goes to the CPU, and nobody is told.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        # CUDA would take products of 19 bits (TF32) and call them f32.
        offered = [(name, {"use_tf32": "0"} if "CUDA" in name else {}) for name in wanted]
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=offered)
        except Exception as error:  # its exceptions have no base of their own
            cause = " ".join(str(error).split())[:200]
            if device.upper() == "CPU":
                raise InputError(f"ONNX Runtime cannot run {path} ({cause})") from None
            raise DeviceError(f"{device} cannot run {path} ({cause}); try CPU") from None
        self.providers: list[str] = self._session.get_providers()
        if wanted[0] not in self.providers:
            raise DeviceError(
                f"{device} was asked for and {self.providers[0]} is what there is: {wanted[0]} did"
                " not load; check the NVIDIA driver, and that the versions of CUDA, cuDNN and"
                " TensorRT are those that onnxruntime was built for"
            )
        self._device = device.upper()
        self.inputs = [_port(each) for each in self._session.get_inputs()]
        self.outputs = [_port(each) for each in self._session.get_outputs()]

    @property
    def precision(self) -> str:
        """The number type of the outputs; TensorRT may take shorter ones for products."""
        if self._device == "TENSORRT":
            return "unknown"
        kind = self.outputs[0].dtype
        return f"f{8 * kind.itemsize}" if kind.kind == "f" else str(kind)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for some inputs, in the order of `inputs`."""
        names = (port.name for port in self.inputs)
        found: list[Array] = self._session.run(None, dict(zip(names, inputs, strict=True)))
        return [_canonical(values) for values in found]


def _canonical(values: Array) -> Array:
    """The same values, of the one of NumPy's equal types ("l" and "q") that OpenVINO knows."""
    kind = np.dtype(values.dtype.str)
    return values if values.dtype.hasobject else values.view(kind)


_DTYPES = {"float": "float32", "double": "float64", "bool": "bool", "string": "object"}


def _port(found: Any) -> Port:
    kind = str(found.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in found.shape)
    try:
        dtype = np.dtype(_DTYPES.get(kind, kind))
    except TypeError:  # such as bfloat16, which NumPy has not
        dtype = np.dtype("V2")
    return Port(found.name, shape, dtype)
