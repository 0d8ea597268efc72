"""A cut as a model repository of Triton, which answers frames as `splittool serve` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino as ov
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from splittool.errors import UsageError
from splittool.reports import CutReport, RepositoryReport
from splittool.runtime.devices import check_precision
from splittool.serving.models import Defaults, Place, ServedModel
from splittool.serving.question import FRAME, MASKS, OUTPUTS, PROBABILITIES
from splittool.serving.repository import Content, describe_repository, write_repository
from splittool.split.calibration_file import FILE_NAME
from splittool.split.files import CODEC_MODEL, DESCRIPTION, ONNX_TAIL, TAIL
from splittool.split.split_network import SplitNetwork, read_half

_CONFIG, _GRAPH = "config.pbtxt", "model.onnx"
# Triton runs the file; what it does is in the package, so that the two always fit together.
_MODEL = b'''"""Written by splittool export; Triton's Python must find the package splittool."""

from splittool.serving.triton_model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''

# Types of elements as OpenVINO and as Triton names them.
_TYPES = {
    "boolean": "TYPE_BOOL",
    "f16": "TYPE_FP16",
    "f32": "TYPE_FP32",
    "f64": "TYPE_FP64",
    **{f"i{bits}": f"TYPE_INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"u{bits}": f"TYPE_UINT{bits}" for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True)
class TritonOptions:
    """How Triton runs a cut's tail; all of it can be changed in config.pbtxt, too.

    Attributes:
        instances: Processes that compute at the same time.
        queue: Frames that wait for one; more are refused.
        output: What callers get who do not say what they want, "masks" or "probabilities".
        threshold: Probability from which a pixel belongs to a class, for those who name none.
        precision: Number type of the tail.
    """

    instances: int = 1
    queue: int = 32
    output: str = MASKS
    threshold: float = 0.5
    precision: str = "auto"

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: A value is out of range.
        """
        check_precision(self.precision)
        if not 1 <= self.instances <= 1024:
            raise UsageError(f"`instances` {self.instances} is out of range; give 1 to 1024")
        if not 1 <= self.queue <= 65536:
            raise UsageError(f"`queue` {self.queue} is out of range; give 1 to 65536")
        if self.output not in OUTPUTS:
            raise UsageError(f"unknown output {self.output!r}; give {' or '.join(OUTPUTS)}")


def export_triton(
    cut: str | Path, folder: str | Path, options: TritonOptions | None = None, force: bool = False
) -> RepositoryReport:
    """Write a model repository with one cut.

    The model is called like the cut's folder, as `splittool serve` calls it. A tail in ONNX becomes
    a model of its own, NAME-tail, for Triton's ONNX Runtime backend, which the first one asks.

    Args:
        cut: A cut.json or its folder.
        folder: The repository; other models in it stay.
        options: How Triton runs the tail.
        force: Replace files that exist.

    Raises:
        InputError: The cut is damaged, or draws no masks.
        UsageError: An option is out of range.
        OutputError: The files exist or cannot be written.
    """
    options, folder = options or TritonOptions(), Path(folder)
    options.check()
    place = Place.parse(str(cut))
    model = ServedModel(place, Defaults(precision=options.precision))
    report = SplitNetwork.open(place.path).report
    files = _tail_model(place, report, options)
    tail = _tail_name(place) if files else None
    for name, content in _parts(place.path.parent, report).items():
        files[f"{place.name}/{place.version}/{name}"] = content
    files[f"{place.name}/{_CONFIG}"] = _text(_config(model, options, tail))
    stale = [f"{place.name}/{place.version}/{name}" for name in (*TAIL, *ONNX_TAIL, FILE_NAME)]
    stale += [f"{_tail_name(place)}/{name}" for name in (_CONFIG, f"{place.version}/{_GRAPH}")]
    write_repository(folder, files, stale, force=force)
    written = describe_repository(place, "triton", folder, files)
    written.instances, written.queue = options.instances, options.queue
    return written


def _parts(folder: Path, report: CutReport) -> dict[str, Content]:
    """The files of one version: all of a cut but its head, which only the device runs."""
    parts: dict[str, Content] = {"model.py": _MODEL}
    for record in report.tail:
        parts[record.path] = folder / record.path
    for name in (FILE_NAME, CODEC_MODEL, DESCRIPTION):
        if (folder / name).is_file():
            parts[name] = folder / name
    return parts


def _tail_name(place: Place) -> str:
    return f"{place.name}-tail"


def _tail_model(place: Place, report: CutReport, options: TritonOptions) -> dict[str, Content]:
    """The files of a model of its own for a tail in ONNX, which Triton's own backend runs."""
    *weights, graph = report.tail
    if not graph.path.endswith(".onnx"):
        return {}
    name, folder = _tail_name(place), place.path.parent
    files: dict[str, Content] = {
        f"{name}/{place.version}/{record.path}": folder / record.path for record in weights
    }
    files[f"{name}/{place.version}/{_GRAPH}"] = folder / graph.path
    config = _tail_config(name, read_half(place.path, report.tail), options)
    return {**files, f"{name}/{_CONFIG}": _text(config)}


def _tail_config(name: str, graph: ov.Model, options: TritonOptions) -> Any:
    """What Triton's ONNX Runtime backend must know: on GPUs where there are any."""
    pb = model_config_pb2
    config = pb.ModelConfig(name=name, backend="onnxruntime", max_batch_size=0)
    for kind, ports in ((config.input, graph.inputs), (config.output, graph.outputs)):
        for port in ports:
            data_type = pb.DataType.Value(_TYPES[port.get_element_type().get_type_name()])
            shape = list(port.get_shape())
            kind.add(name=port.get_any_name(), data_type=data_type, dims=shape)
    config.instance_group.add(count=options.instances, kind=pb.ModelInstanceGroup.KIND_AUTO)
    return config


def _text(config: Any) -> bytes:
    text: str = text_format.MessageToString(config)
    return text.encode()


def _config(model: ServedModel, options: TritonOptions, tail: str | None) -> Any:
    """What Triton must know of the model, as its protobuf message; `tail` names another one."""
    pb = model_config_pb2
    config = pb.ModelConfig(name=model.place.name, backend="python", max_batch_size=0)
    config.input.add(name=FRAME, data_type=pb.TYPE_STRING, dims=[1])
    config.output.add(name=MASKS, data_type=pb.TYPE_STRING, dims=[1])
    maps = [1, model.tail.maps, -1, -1]
    config.output.add(name=PROBABILITIES, data_type=pb.TYPE_FP32, dims=maps)
    config.instance_group.add(count=options.instances, kind=pb.ModelInstanceGroup.KIND_CPU)
    policy = config.dynamic_batching.default_queue_policy
    policy.max_queue_size = options.queue
    said = {
        "return": options.output,
        "threshold": repr(options.threshold),
        "precision": options.precision,
        **({"tail": tail} if tail else {}),
    }
    for name, value in said.items():
        config.parameters[name].string_value = value
    return config
