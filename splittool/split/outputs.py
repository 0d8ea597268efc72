"""A split network that draws no masks: how far its outputs are from the whole network's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from splittool.errors import InputError
from splittool.files import make_folder, write_bytes
from splittool.progress import Progress, counter
from splittool.reports import FileRecord, ImageRecord, InferReport, OutputRecord, encode
from splittool.split.engines import Engine
from splittool.split.evaluation import Task
from splittool.split.link import Link
from splittool.split.options import RunOptions
from splittool.split.prediction import base_report, describe_link
from splittool.split.runners import HeadRunner

Values = NDArray[Any]


@dataclass
class _Beside:
    """One output of both networks, added up over images."""

    largest: float = 0.0
    means: list[float] = field(default_factory=list)
    cosines: list[float] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)

    def add(self, split: Values, whole: Values) -> None:
        one, other = (values.astype(np.float64).ravel() for values in (split, whole))
        difference = np.abs(one - other)
        self.largest = max(self.largest, float(difference.max()))
        self.means.append(float(difference.mean()))
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        self.cosines.append(
            float(one @ other) / lengths if lengths else float((one == other).all())
        )
        self.same.append(int(one.argmax()) == int(other.argmax()))

    def record(self, name: str, shape: Sequence[int]) -> OutputRecord:
        return OutputRecord(
            name=name,
            shape=list(shape),
            largest_difference=self.largest,
            mean_difference=fmean(self.means),
            cosine=fmean(self.cosines),
            same_largest=fmean(self.same),
        )


@dataclass(frozen=True)
class AnyHalves:
    """Head and tail of any network, ready to run, and the link between them.

    Attributes:
        record: The cut.json.
        point: The split point.
        head: The head.
        link: How the crossing tensors are sent.
        tail: The tail.
        names: Names of its outputs.
    """

    record: FileRecord
    point: str
    head: HeadRunner
    link: Link
    tail: Engine
    names: Sequence[str]


def output_name(port: ov.Output) -> str:
    """What an output of a network is called: as the network says, else as its operation."""
    return str(port.get_any_name() if port.get_names() else port.get_node().get_friendly_name())


def compare_outputs(
    halves: AnyHalves, task: Task, options: RunOptions, folder: Path | None, progress: Progress
) -> InferReport:
    """Send images through head, link and tail, and compare with the tensors as they were.

    The tail takes what the link hands over, and the crossing tensors as the head put them out,
    which is what the whole network computes.

    Args:
        halves: Head, link and tail.
        task: The images.
        options: Frame rates to give Mbit/s for.
        folder: Where report.json goes; None writes nothing.
        progress: Told after each image.

    Raises:
        InputError: An image is damaged, or an output is no finite number.
        OutputError: The report cannot be written.
    """
    advance = counter(progress, len(task.samples), "images")
    beside: list[_Beside] = []
    shapes: list[tuple[int, ...]] = []
    rows, started = [], perf_counter()
    for index, sample in enumerate(task.samples):
        pixels = task.canvas.image(sample.image())
        tensors = [np.array(tensor) for tensor in halves.head.run(pixels)]
        frame = halves.link.encode(0 if halves.link.is_latent else index, tensors)
        split = [np.array(v) for v in halves.tail.run(halves.link.decode(frame).tensors)]
        whole = halves.tail.run(tensors)
        beside = beside or [_Beside() for _ in split]
        shapes = [values.shape for values in split]
        for name, sums, one, other in zip(halves.names, beside, split, whole, strict=True):
            _require_finite(halves, name, one, other)
            sums.add(one, other)
        size = (sample.height, sample.width)
        rows.append(ImageRecord(sample.name, *size, sample.file_bytes, len(frame), {}, None))
        advance()
    seconds = perf_counter() - started
    elements = sum(int(np.prod(spec.shape)) for spec in halves.head.specs)
    described = (halves.record, halves.point, halves.head.compiled)
    report = base_report(*described, options, rows, elements, seconds)
    describe_link(report, halves.link, halves.tail)
    named = zip(halves.names, beside, shapes, strict=True)
    report.outputs = [sums.record(name, shape) for name, sums, shape in named]
    if folder is not None:
        make_folder(folder)
        report.folder = str(folder)
        write_bytes(folder / "report.json", encode(report))
    return report


def _require_finite(halves: AnyHalves, name: str, *outputs: Values) -> None:
    """Refuse what no difference can be told of."""
    if not all(np.isfinite(values).all() for values in outputs):
        raise InputError(
            f"{halves.record.path}: output {name} holds values that are no finite numbers; give a"
            " network whose weights are"
        )
