"""OpenVINO's graphs: the core that runs them, what they say of themselves, their files."""

from collections import Counter
from functools import cache
from pathlib import Path
from threading import Lock

import msgspec
import numpy as np
import openvino as ov
from openvino._offline_transformations import compress_model_transformation
from openvino.op import Constant

from splittool.errors import InputError, OutputError
from splittool.files import output_errors, replace_together, temporary_folder
from splittool.runtime.targets import Target, as_version_10, downgrade
from splittool.vocabulary import Fit

_PLACE = ["splittool", "model"]
ONNX_KEY = "splittool"  # of the metadata of an ONNX file
_ONNX_PLACE = ["framework", ONNX_KEY]  # where OpenVINO puts these


def core() -> ov.Core:
    """The core that reads, compiles and runs every model.

    Never a second one, nor `openvino.compile_model`, which makes its own: each core's CPU plugin
    lends the thread a signal stack and, when it is closed, puts back the one it found. Of two cores
    closed in the order they were opened, the second puts back the stack that the first has freed,
    and the next signal, Ctrl-C or the end of a child, is a segmentation fault (seen with OpenVINO
    2026.4).
    """
    with _making_core:
        return _core()


_making_core = Lock()  # two threads may both find the cache empty


@cache
def _core() -> ov.Core:
    return ov.Core()


class ModelInfo(msgspec.Struct, frozen=True):
    """How to feed a model and read what it predicts.

    Attributes:
        arch: The network's name; empty when it is not ours.
        classes: Names of the output maps; empty when unknown.
        fit: How images are brought to the input size.
        split_points: Names of the operations after which the paper cuts.
        codec_model: The file of the model of codec `learned` for the latent, in base64; empty where
            there is no latent, and in the halves of a cut, which has the file.
    """

    arch: str = ""
    classes: list[str] = []
    fit: Fit = "pad"
    split_points: list[str] = []
    codec_model: str = ""


def write_info(model: ov.Model, info: ModelInfo) -> None:
    """Attach the information to a graph; it is saved with it."""
    model.set_rt_info(msgspec.json.encode(info).decode(), _PLACE)


def read_info(model: ov.Model) -> ModelInfo:
    """What a graph says about itself; defaults for graphs of other tools.

    Raises:
        InputError: It says something that splittool does not write.
    """
    if not model.has_rt_info(_PLACE):
        return ModelInfo()
    try:
        return msgspec.json.decode(model.get_rt_info(_PLACE).astype(str), type=ModelInfo)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            f"what the graph {model.get_friendly_name()!r} says about itself is damaged ({error});"
            " export it again"
        ) from None


def save_ir(model: ov.Model, path: Path, half: bool = True, target: Target | None = None) -> None:
    """Write an .xml and its .bin, both whole or not at all.

    Args:
        model: The graph.
        path: Where the .xml goes.
        half: Store weights in 16 bits.
        target: Older runtimes to write it for; None is the one installed.

    Raises:
        InputError: An operation is too new for the target.
        OutputError: They cannot be written.
    """
    with output_errors(path), temporary_folder(path.parent) as folder:
        write_ir(model, folder / path.name, half, target)
        names = (path.with_suffix(".bin").name, path.name)
        replace_together([(folder / name, path.parent / name) for name in names])


def halve_weights(model: ov.Model) -> None:
    """Round weights to 16 bits in place, as `write_ir` does in the file."""
    compress_model_transformation(model)


def write_ir(model: ov.Model, path: Path, half: bool = True, target: Target | None = None) -> None:
    """Write an .xml and its .bin in place; arguments as of `save_ir`.

    Raises:
        InputError: An operation is too new for the target.
        OutputError: OpenVINO could not write them.
    """
    if target is not None:
        model = downgrade(model, target)
    try:
        if half:
            ov.save_model(model, path, compress_to_fp16=True)
        else:  # as it is, in half the time
            ov.serialize(model, path, path.with_suffix(".bin"))
    except RuntimeError as error:
        cause = str(error).strip().splitlines()[-1]
        raise OutputError(f"cannot write {path.name}: {cause}; free some space") from None
    if target is not None and target.ir < 11:
        as_version_10(path)


def adopt_notes(model: ov.Model) -> None:
    """Attach what the metadata of an ONNX file of ours say, as `write_info` does."""
    if model.has_rt_info(_ONNX_PLACE):
        model.set_rt_info(model.get_rt_info(_ONNX_PLACE).astype(str), _PLACE)


def fold_shapes(model: ov.Model) -> None:
    """Replace the shapes that are asked for at run time by what they are: constants.

    Otherwise a tail that only asks for the size of an early tensor would need that tensor sent.
    """
    for node in model.get_ops():
        if node.get_type_name() == "ShapeOf" and node.input(0).get_partial_shape().is_static:
            shape = node.input(0).get_shape()
            dtype = node.get_output_element_type(0).to_dtype()
            constant = Constant(np.array([shape[i] for i in range(len(shape))], dtype))
            constant.set_friendly_name(node.get_friendly_name())
            constant.output(0).get_tensor().set_names(node.output(0).get_names())
            for target in node.output(0).get_target_inputs():
                target.replace_source_output(constant.output(0))


def unique_names(names: list[str]) -> list[str]:
    """Number the later ones of equal names: "x", "x_2", "x_3"."""
    taken = set(names)
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        candidate = name
        while seen[name] > 1 and candidate in taken:
            candidate = f"{name}_{seen[name]}"
            seen[name] += candidate in taken
        taken.add(candidate)
        unique.append(candidate)
    return unique
