"""A cut as a model repository of Triton, which answers frames as `splittool serve` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from splittool.errors import UsageError
from splittool.reports import RepositoryReport, file_record
from splittool.runtime.devices import check_precision
from splittool.serving.models import Defaults, Place, ServedModel
from splittool.serving.question import FRAME, MASKS, OUTPUTS, PROBABILITIES
from splittool.serving.repository import Content, write_repository
from splittool.split.calibration_file import FILE_NAME
from splittool.split.files import CODEC_MODEL, DESCRIPTION, ONNX_TAIL, TAIL
from splittool.split.split_network import SplitNetwork

_CONFIG = "config.pbtxt"
# Triton runs the file; what it does is in the package, so that the two always fit together.
_MODEL = b'''"""Written by splittool export; Triton's Python must find the package splittool."""

from splittool.serving.triton_model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


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

    The model is called like the cut's folder, as `splittool serve` calls it.

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
    files: dict[str, Content] = {
        f"{place.name}/{place.version}/{name}": content for name, content in _parts(place).items()
    }
    config = text_format.MessageToString(_config(model, options)).encode()
    files[f"{place.name}/{_CONFIG}"] = config
    stale = [f"{place.name}/{place.version}/{name}" for name in (*TAIL, *ONNX_TAIL, FILE_NAME)]
    write_repository(folder, files, stale, force=force)
    return RepositoryReport(
        source=file_record(place.path),
        target="triton",
        folder=str(folder),
        model=place.name,
        version=place.version,
        files=[file_record(folder / name, name) for name in files],
        instances=options.instances,
        queue=options.queue,
    )


def _parts(place: Place) -> dict[str, Content]:
    """The files of one version: all of a cut but its head, which only the device runs."""
    parts: dict[str, Content] = {"model.py": _MODEL}
    report, folder = SplitNetwork.open(place.path).report, place.path.parent
    for record in report.tail:
        parts[record.path] = folder / record.path
    for name in (FILE_NAME, CODEC_MODEL, DESCRIPTION):
        if (folder / name).is_file():
            parts[name] = folder / name
    return parts


def _config(model: ServedModel, options: TritonOptions) -> Any:
    """What Triton must know of the model, as its protobuf message."""
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
    }
    for name, value in said.items():
        config.parameters[name].string_value = value
    return config
