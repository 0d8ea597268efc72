"""A split network that draws no masks: how far its outputs are from the whole network's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import msgspec
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


class Difference(msgspec.Struct, frozen=True):
    """One output of one image, beside what it should be.

    Attributes:
        shape: Of the output.
        largest: The largest difference of two values.
        mean: The mean of the differences.
        cosine: Of the angle between the two, as vectors.
        same_largest: Whether the largest value is at the same place.
    """

    shape: list[int]
    largest: float
    mean: float
    cosine: float
    same_largest: bool


def difference(found: Values, wanted: Values) -> Difference:
    """How far an output is from what it should be, of the same shape."""
    one, other = (values.astype(np.float64).ravel() for values in (found, wanted))
    apart = np.abs(one - other)
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    cosine = float(one @ other) / lengths if lengths else float((one == other).all())
    same = int(one.argmax()) == int(other.argmax())
    return Difference(list(found.shape), float(apart.max()), float(apart.mean()), cosine, same)


def _record(name: str, of: Sequence[Difference]) -> OutputRecord:
    """One output over several images."""
    return OutputRecord(
        name=name,
        shape=of[0].shape,
        largest_difference=max(one.largest for one in of),
        mean_difference=fmean(one.mean for one in of),
        cosine=fmean(one.cosine for one in of),
        same_largest=fmean(one.same_largest for one in of),
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
    beside: list[list[Difference]] = []
    rows, started = [], perf_counter()
    for index, sample in enumerate(task.samples):
        pixels = task.canvas.image(sample.image())
        tensors = [np.array(tensor) for tensor in halves.head.run(pixels)]
        frame = halves.link.encode(0 if halves.link.is_latent else index, tensors)
        split = [np.array(v) for v in halves.tail.run(halves.link.decode(frame).tensors)]
        whole = halves.tail.run(tensors)
        beside.append(differences(halves.record.path, halves.names, split, whole))
        size = (sample.height, sample.width)
        rows.append(ImageRecord(sample.name, *size, sample.file_bytes, len(frame), {}, None))
        advance()
    seconds = perf_counter() - started
    elements = sum(int(np.prod(spec.shape)) for spec in halves.head.specs)
    described = (halves.record, halves.point, halves.head.compiled)
    report = base_report(*described, options, rows, elements, seconds)
    describe_link(report, halves.link, halves.tail)
    report.outputs = output_records(halves.names, beside)
    if folder is not None:
        make_folder(folder)
        report.folder = str(folder)
        write_bytes(folder / "report.json", encode(report))
    return report


def differences(
    source: Path | str, names: Sequence[str], found: Sequence[Values], wanted: Sequence[Values]
) -> list[Difference]:
    """Every output of an image, beside what it should be.

    Args:
        source: The network's file or cut.json, for messages.
        names: Of the outputs.
        found: Their values.
        wanted: What they should be.

    Raises:
        InputError: An output holds what no difference can be told of.
    """
    for name, *outputs in zip(names, found, wanted, strict=True):
        if not all(np.isfinite(values).all() for values in outputs):
            raise InputError(
                f"{source}: output {name} holds values that are no finite numbers; give"
                " a network whose weights are"
            )
    return [difference(*both) for both in zip(found, wanted, strict=True)]


def output_records(
    names: Sequence[str], images: Sequence[Sequence[Difference]]
) -> list[OutputRecord]:
    """All outputs over several images, of each of which there is one difference for each output."""
    return [_record(*output) for output in zip(names, zip(*images, strict=True), strict=True)]
