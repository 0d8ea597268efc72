"""What computes a network or a half: OpenVINO, or ONNX Runtime for an .onnx file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import openvino as ov
from numpy.typing import NDArray

from splittool.errors import UsageError
from splittool.runtime.devices import compile_model
from splittool.runtime.ir import core
from splittool.runtime.onnx_runtime import OnnxSession

Values = NDArray[Any]
Change = Callable[[Values], Values]


class Engine(Protocol):
    """A network on its device.

    Attributes:
        runtime: "openvino" or "onnxruntime".
        devices: What it really runs on: devices of OpenVINO, or ONNX Runtime's providers.
        precision: The number type that it really computes in.
    """

    runtime: str
    devices: list[str]
    precision: str

    def run(self, inputs: Sequence[Values]) -> list[Values]:
        """The outputs, good until the next run."""


class OpenVinoEngine:
    """A graph in OpenVINO; see `Engine`.

    Args:
        model: The graph.
        device: Its device.
        precision: "auto" or a number type.

    Raises:
        DeviceError: The device is not there or cannot run it.
    """

    runtime = "openvino"

    def __init__(self, model: ov.Model, device: str, precision: str) -> None:
        self.compiled = compile_model(core(), model, device, precision)
        self.devices, self.precision = self.compiled.devices, self.compiled.precision
        self._request = self.compiled.model.create_infer_request()

    def run(self, inputs: Sequence[Values]) -> list[Values]:
        """The outputs, good until the next run."""
        found: Mapping[Any, Values] = self._request.infer(
            list(inputs), share_inputs=True, share_outputs=True
        )
        return list(found.values())


class OnnxEngine:
    """An .onnx file in ONNX Runtime; see `Engine`.

    Args:
        file: The file.
        device: "CPU", "CUDA" or "TensorRT".
        precision: "auto", or the one that the file has.
        before: What becomes of the only input first, as of pixels for a network of numbers.
        after: What becomes of the only output.

    Raises:
        InputError: ONNX Runtime cannot read the file.
        UsageError: There is no such device, or another precision is asked for.
        DeviceError: The device is not there or cannot run it.
    """

    runtime = "onnxruntime"

    def __init__(
        self,
        file: Path,
        device: str,
        precision: str,
        before: Change | None = None,
        after: Change | None = None,
    ) -> None:
        self._session = OnnxSession(file, device)
        self._before, self._after = before, after
        self.devices, self.precision = self._session.providers, self._session.precision
        if precision not in ("auto", self.precision):
            raise UsageError(
                f"`precision` {precision} is not what ONNX Runtime computes {file} in, which is"
                f" {self.precision}; leave it out, or convert the file"
            )

    def run(self, inputs: Sequence[Values]) -> list[Values]:
        """The outputs."""
        given = [self._before(inputs[0])] if self._before else inputs
        found = self._session.run(given)
        return [self._after(found[0])] if self._after else found


def open_engine(model: ov.Model, device: str, precision: str, onnx: Path | None) -> Engine:
    """A network or half on its device: an .onnx file in ONNX Runtime, a graph in OpenVINO.

    Raises:
        DeviceError: The device is not there or cannot run it.
        InputError: ONNX Runtime cannot read the file.
    """
    if onnx is not None:
        return OnnxEngine(onnx, device, precision)
    return OpenVinoEngine(model, device, precision)
