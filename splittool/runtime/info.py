"""What a model file says about itself beside its operations, kept in the IR's rt_info."""

import msgspec
import openvino as ov

from splittool.data.images import Fit

_PLACE = ["splittool", "model"]


class ModelInfo(msgspec.Struct, frozen=True):
    """How to feed a model and read what it predicts.

    Attributes:
        arch: The network's name; empty when it is not ours.
        classes: Names of the output maps; empty when unknown.
        fit: How images are brought to the input size.
        split_points: Names of the operations after which the paper cuts.
    """

    arch: str = ""
    classes: list[str] = []
    fit: Fit = "pad"
    split_points: list[str] = []


def write_info(model: ov.Model, info: ModelInfo) -> None:
    """Attach the information to a graph; it is saved with it."""
    model.set_rt_info(msgspec.json.encode(info).decode(), _PLACE)


def read_info(model: ov.Model) -> ModelInfo:
    """What a graph says about itself; defaults for graphs of other tools."""
    if not model.has_rt_info(_PLACE):
        return ModelInfo()
    try:
        return msgspec.json.decode(model.get_rt_info(_PLACE).astype(str), type=ModelInfo)
    except msgspec.MsgspecError:
        return ModelInfo()
