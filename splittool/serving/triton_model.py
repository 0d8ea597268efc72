"""What Triton's Python backend runs: frames in, masks out, as `splittool serve` answers them.

Only Triton can import this module: `triton_python_backend_utils` is there in its processes alone.
The file model.py of a model repository names the class for it.
"""

import json
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from numpy.typing import NDArray

from splittool.errors import DamagedFrameError, InputError, MissingExtraError
from splittool.serving.models import Defaults, Place, ServedModel
from splittool.serving.question import FRAME, MASKS, PROBABILITIES, Question, read_question
from splittool.split.files import DESCRIPTION
from splittool.split.image_ports import maps_from, put_maps
from splittool.split.runners import Device
from splittool.split.split_network import SplitNetwork, read_half


class _TailError(Exception):
    """The model that runs the tail did not answer."""


# The first that fits, as in `splittool.serving.service`; Triton knows fewer codes than gRPC. A
# damaged frame may be sent again. Triton adds its own classes only after it imported the model.
_CODES: list[tuple[type[Exception], str]] = [
    (DamagedFrameError, "UNAVAILABLE"),
    (InputError, "INVALID_ARG"),
    (MissingExtraError, "UNSUPPORTED"),
    (MemoryError, "UNAVAILABLE"),
    (_TailError, "UNAVAILABLE"),
]


class TritonPythonModel:
    """One instance of a cut's tail; Triton runs each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the cut that lies beside model.py.

        Args:
            args: What Triton says of the model: its repository, version and configuration.
        """
        version = args["model_version"]
        cut = Path(args["model_repository"]) / version / DESCRIPTION
        said = json.loads(args["model_config"])["parameters"]
        defaults = Defaults(
            output=said["return"]["string_value"],
            threshold=float(said["threshold"]["string_value"]),
            precision=said["precision"]["string_value"],
        )
        name = said["tail"]["string_value"] if "tail" in said else None
        tail = partial(ModelTail, name, version) if name else None
        self._model = ServedModel(Place(args["model_name"], version, cut), defaults, tail)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One answer for each request, or why there is none."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            return triton.InferenceResponse(self._tensors(_question(request)))
        except Exception as error:
            return triton.InferenceResponse(error=_explain(error))

    def _tensors(self, question: Question) -> list[Any]:
        one = self._model.answer(question)
        if one.masks is not None:
            return [triton.Tensor(MASKS, np.array([one.masks], dtype=object))]
        assert one.probabilities is not None
        return [triton.Tensor(PROBABILITIES, np.ascontiguousarray(one.probabilities[None]))]


class ModelTail:
    """A tail that is a model of its own in the same Triton, in whatever backend.

    Args:
        name: Of the model.
        version: Of the model.
        split: The cut.
        device: What there is to know of the other side.
    """

    def __init__(self, name: str, version: str, split: SplitNetwork, device: Device) -> None:
        self._name, self._version = name, int(version)
        graph = read_half(split.path, split.report.tail)
        self._inputs = [port.get_any_name() for port in graph.inputs]
        self._output = graph.outputs[0].get_any_name()
        self._after = maps_from(graph.outputs[0], device.input_shape)
        _, self.maps = put_maps(device.source, graph, device.input_shape, device.info)

    def run(self, tensors: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Crossing tensors to (C, H, W) probabilities on the canvas.

        Raises:
            _TailError: The model did not answer.
        """
        given = zip(self._inputs, tensors, strict=True)
        request = triton.InferenceRequest(
            model_name=self._name,
            model_version=self._version,
            inputs=[triton.Tensor(name, np.ascontiguousarray(tensor)) for name, tensor in given],
            requested_output_names=[self._output],
            preferred_memory=triton.PreferredMemory(triton.TRITONSERVER_MEMORY_CPU, 0),
        )
        response = request.exec()
        if response.has_error():
            raise _TailError(f"model {self._name}: {response.error().message()}")
        maps = triton.get_output_tensor_by_name(response, self._output).as_numpy()
        found: NDArray[np.float32] = np.array((self._after(maps) if self._after else maps)[0])
        return found


def _question(request: Any) -> Question:
    (frame,) = triton.get_input_tensor_by_name(request, FRAME).as_numpy()
    outputs = sorted(request.requested_output_names())
    # Triton names all outputs where the caller names none.
    wanted = [] if outputs == [MASKS, PROBABILITIES] else outputs
    return read_question(frame, json.loads(request.parameters() or "{}"), wanted)


def _explain(error: Exception) -> Any:
    """An error as Triton tells it: its caller's fault, or a defect, which the log has more of."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return triton.TritonError(str(error)[:1000], getattr(triton.TritonError, code))
    triton.Logger.log_error("".join(traceback.format_exception(error)))
    text = f"internal error ({type(error).__name__}); the server's log has more"
    return triton.TritonError(text, triton.TritonError.INTERNAL)
