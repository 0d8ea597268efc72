"""What an edge asks of a server for one frame, whatever the server is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from splittool.errors import InputError

FRAME, MASKS, PROBABILITIES = "frame", "masks", "probabilities"
OUTPUTS = (MASKS, PROBABILITIES)


@dataclass(frozen=True)
class Question:
    """What an edge asks for one frame.

    Attributes:
        frame: One coded frame.
        height: Rows of the image; None takes the network's.
        width: Its columns; None takes the network's.
        threshold: Probability from which a pixel belongs to a class; None leaves it to the server.
        output: "masks" or "probabilities"; None leaves it to the server.
    """

    frame: bytes
    height: int | None = None
    width: int | None = None
    threshold: float | None = None
    output: str | None = None


def read_question(
    frame: bytes, parameters: Mapping[str, object], outputs: Sequence[str]
) -> Question:
    """A question from what anybody sends.

    Args:
        frame: The bytes of the input tensor.
        parameters: Of the request, by name.
        outputs: Names of the tensors that are asked for.

    Raises:
        InputError: A parameter or an output is not one of a question.
    """
    if len(outputs) > 1 or (outputs and outputs[0] not in OUTPUTS):
        raise InputError(f"ask for one output, {' or '.join(map(repr, OUTPUTS))}")
    return Question(
        frame,
        _whole(parameters, "height"),
        _whole(parameters, "width"),
        _threshold(parameters),
        outputs[0] if outputs else None,
    )


def _whole(parameters: Mapping[str, object], name: str) -> int | None:
    value = parameters.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 1:  # a truth value is a whole number, too
        raise InputError(f"parameter {name!r} is not a whole number above 0")
    return value


def _threshold(parameters: Mapping[str, object]) -> float | None:
    if "threshold" not in parameters:
        return None
    value = parameters["threshold"]
    try:
        number = float(value) if isinstance(value, (str, int, float)) else float("nan")
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise InputError("parameter 'threshold' is not a number")
    return number
