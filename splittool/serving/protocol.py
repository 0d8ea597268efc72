"""The Open Inference Protocol (KServe v2) over gRPC, as both sides of a cut speak it.

A request has one BYTES tensor of one element, `frame`, which holds one coded frame; the parameters
`height`, `width` and `threshold` say what masks are wanted. The answer's tensor is `masks`, one
element of coded bytes (`splittool.serving.answer`), or `probabilities`, FP32 of the image's size.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as pb

from splittool.errors import InputError
from splittool.serving.question import FRAME, MASKS, PROBABILITIES, Question, read_question

_LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor in raw contents
_VALUE = "parameter_choice"


def make_request(name: str, version: str, identity: str, question: Question) -> Any:
    """A ModelInferRequest; `identity` comes back with the answer."""
    request = pb.ModelInferRequest(model_name=name, model_version=version, id=identity)
    request.inputs.add(name=FRAME, datatype="BYTES", shape=[1])
    request.raw_input_contents.append(_LENGTH.pack(len(question.frame)) + question.frame)
    if question.height is not None:
        request.parameters["height"].int64_param = question.height
    if question.width is not None:
        request.parameters["width"].int64_param = question.width
    if question.threshold is not None:  # as text, which every server hands on exactly
        request.parameters["threshold"].string_param = repr(question.threshold)
    if question.output is not None:
        request.outputs.add(name=question.output)
    return request


def read_request(request: Any) -> Question:
    """What a ModelInferRequest from anybody asks.

    Raises:
        InputError: It is not a request for one frame.
    """
    if len(request.inputs) != 1:
        raise InputError(f"the request has {len(request.inputs)} inputs; send one, named {FRAME!r}")
    tensor = request.inputs[0]
    if tensor.name != FRAME or tensor.datatype != "BYTES" or list(tensor.shape) != [1]:
        raise InputError(f"the request's input must be {FRAME!r}, BYTES of the shape [1]")
    names = [output.name for output in request.outputs]
    return read_question(_frame_of(request, tensor), _parameters(request), names)


def _frame_of(request: Any, tensor: Any) -> bytes:
    if request.raw_input_contents:
        return read_bytes(request.raw_input_contents[0], FRAME)
    if len(tensor.contents.bytes_contents) != 1:
        raise InputError(f"the request's input {FRAME!r} does not hold one element")
    return bytes(tensor.contents.bytes_contents[0])


def read_bytes(raw: bytes, name: str) -> bytes:
    """The element of a BYTES[1] tensor in raw contents.

    Raises:
        InputError: It is not one element.
    """
    if len(raw) < _LENGTH.size or len(raw) != _LENGTH.size + _LENGTH.unpack_from(raw)[0]:
        raise InputError(f"tensor {name!r} is not one element with its length before it")
    return bytes(raw[_LENGTH.size :])


def _parameters(request: Any) -> dict[str, object]:
    """Values by name; one without a value is not a number."""
    kinds = {name: each.WhichOneof(_VALUE) for name, each in request.parameters.items()}
    return {
        name: getattr(request.parameters[name], kind) if kind else float("nan")
        for name, kind in kinds.items()
    }


def masks_response(request: Any, version: str, answer: bytes) -> Any:
    """A ModelInferResponse with coded masks."""
    response = _response(request, version)
    response.outputs.add(name=MASKS, datatype="BYTES", shape=[1])
    response.raw_output_contents.append(_LENGTH.pack(len(answer)) + answer)
    return response


def probabilities_response(request: Any, version: str, maps: NDArray[np.float32]) -> Any:
    """A ModelInferResponse with (C, H, W) probabilities."""
    response = _response(request, version)
    response.outputs.add(name=PROBABILITIES, datatype="FP32", shape=[1, *maps.shape])
    response.raw_output_contents.append(np.ascontiguousarray(maps).tobytes())
    return response


def _response(request: Any, version: str) -> Any:
    return pb.ModelInferResponse(
        model_name=request.model_name, model_version=version, id=request.id
    )


def read_response(response: Any) -> bytes:
    """The coded masks in a ModelInferResponse.

    Raises:
        InputError: There are none.
    """
    names = [output.name for output in response.outputs]
    if names != [MASKS] or len(response.raw_output_contents) != 1:
        raise InputError(f"the server answered {names} instead of [{MASKS!r}]")
    return read_bytes(response.raw_output_contents[0], MASKS)
