"""Cuts of a network that draws no masks, beside its compressed input: bytes, and what they change.

Nobody knows the right answer for unlabelled images; what can be told is how far every way's outputs
are from those of the whole network on the images as they are.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace as changed
from pathlib import Path
from statistics import fmean

import numpy as np
from msgspec.structs import replace

from splittool.codec.tensors import Sending
from splittool.data.images import Canvas, Pixels
from splittool.data.kaggle import Sample
from splittool.data.samples import Pictures
from splittool.errors import NoMapsError, UsageError
from splittool.files import write_bytes
from splittool.network.arms import Grid, Way, cut_arm, over_the_link, sent_images
from splittool.network.compare_options import BITS, CompareOptions, grid_of
from splittool.network.network import Network
from splittool.network.unfinished import Sent, Unfinished, by_arm, identity, unfinished, with_bytes
from splittool.progress import Progress, counter, nobody
from splittool.reports import ArmRecord, CompareOutputsReport, OutputArmRecord, encode
from splittool.split.evaluation import Task, image_task
from splittool.split.image_ports import put_maps, take_pixels
from splittool.split.options import Normalisation, RunOptions
from splittool.split.outputs import AnyHalves, Values, differences, output_records


def draws_masks(network: Network, normalisation: Normalisation | None) -> bool:
    """Whether a network puts out one map of the image's size for each class.

    Raises:
        InputError: It does not take one image, or has another number of maps than of classes.
    """
    source = network.path or network.name
    model = take_pixels(source, network.model.clone(), normalisation)
    try:
        put_maps(source, model, tuple(model.inputs[0].get_shape()), network.info)
    except NoMapsError:
        return False
    return True


def compare_outputs(
    network: Network,
    images: Pictures,
    at: Sequence[str] | None = None,
    bits: Sequence[int] = BITS,
    how: CompareOptions | None = None,
    progress: Progress = nobody,
) -> CompareOutputsReport:
    """Run a network whole, cut at several points and on compressed images, on unlabelled images.

    Args:
        network: A network that draws no masks, such as a classifier.
        images: Images; labels beside them are not read.
        at: Split points; None takes all that the network names.
        bits: Bits per element of crossing tensors.
        how: What else to compare, and where everything runs.
        progress: Told after each image.

    Returns:
        The whole network first, then its outputs sent, cuts and image formats.

    Raises:
        InputError: An image or the network is not usable, or an output is no finite number.
        UsageError: A codec, format, number of bits or quality is unknown, the network names no
            split points and none is given, or something was asked for that needs masks.
        MissingExtraError: An image format cannot be written here.
        OutputError: The report exists or cannot be written, or what is done so far is of another
            comparison.
        StoppedError: A signal arrived, and a report was asked for: what is done is kept.
    """
    how = how or CompareOptions()
    grid = grid_of(network, at, bits, how)
    _require_nothing_of_masks(network, grid, how)
    options = changed(how.run, tail_device=how.run.device)
    with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
        arms = _OutputArms(network, grid, options, Path(folder))
        task = image_task(images, arms.halves[0].head, options)
        of = [network.record.sha256, grid.described, options, *map(identity, task.samples)]
        with unfinished(how.output, of, how.resume, how.force) as state:
            sent = _sent(network.path or network.name, arms, task, state, progress)
            state.add(sent, len(task.samples))
            report = _report(network, arms, task, state.images, how.run)
            if how.output is not None:
                write_bytes(how.output, encode(report))
    return report


def _require_nothing_of_masks(network: Network, grid: Grid, how: CompareOptions) -> None:
    asked = {
        "at_dice": how.at_dice,
        "cloud": grid.clouds,
        "device_network": grid.devices,
        "cut": grid.cuts,
        "edge_energy": how.energy.edge_energy,
        "radio": how.energy.radio,
        "link": how.energy.link,
    }
    for name, value in asked.items():
        if value:
            raise UsageError(
                f"{network.name} draws no masks, so that its cuts are held against itself alone;"
                f" leave out `{name}`"
            )
    if not grid.at:
        raise UsageError(f"{network.name} is compared at split points; name some with `at`")


_Found = Iterator[tuple[Way, Sequence[Values]]]


class _OutputArms:
    """Every way to get outputs from an image; that of the whole network comes first."""

    def __init__(self, network: Network, grid: Grid, options: RunOptions, folder: Path) -> None:
        form = "onnx" if options.runtime == "onnxruntime" else "openvino"
        self._grid = grid
        self._cuts = [cut_arm(point, network.graph) for point in grid.at]
        self.halves = [
            network.cut(point).write(folder / str(index), form=form).any_halves(options)
            for index, point in enumerate(grid.at)
        ]
        first = self._cuts[0]
        gflops = first.edge_gflops + (first.cloud_gflops or 0)
        parameters = network.parameters
        self._edge = ArmRecord("whole", edge_gflops=gflops, edge_parameters=parameters)
        self._cloud = ArmRecord("image", cloud_gflops=gflops, cloud_parameters=parameters)

    def ways(self, sample: Sample, canvas: Canvas) -> _Found:
        """What comes of one image, in every way."""
        pixels = sample.image()
        fitted = canvas.image(pixels)
        whole = self._whole(fitted)
        yield Way(self._edge, 0), whole
        answer = sum(values.nbytes for values in whole)
        yield Way(replace(self._edge, kind="answer"), answer), whole
        if sample.file_bytes is not None:
            yield Way(replace(self._cloud, codec="file"), sample.file_bytes), whole
        for arm, halves in zip(self._cuts, self.halves, strict=True):
            yield from self._cut(arm, halves, fitted)
        for sent, arrived in sent_images(pixels, self._grid):
            lossless = sent["quality"] is None
            outputs = whole if lossless else self._whole(canvas.image(arrived.pixels))
            arm = replace(self._cloud, **sent)
            yield Way(arm, arrived.sent, arrived.bare, arrived.coding), outputs

    def _whole(self, fitted: Pixels) -> list[Values]:
        """The whole network is its first cut with nothing in between."""
        halves = self.halves[0]
        return _kept(halves.tail.run(_kept(halves.head.run(fitted))))

    def _cut(self, arm: ArmRecord, halves: AnyHalves, fitted: Pixels) -> _Found:
        specs, tensors = halves.head.specs, _kept(halves.head.run(fitted))
        codecs = self._grid.codecs
        for bits in self._grid.bits:
            ways = {codec: over_the_link(specs, tensors, Sending(bits, codec)) for codec in codecs}
            outputs = _kept(halves.tail.run(ways[codecs[0]].tensors))
            for codec, sent in ways.items():
                way = Way(replace(arm, bits=bits, codec=codec), sent.bytes, coding=sent.coding)
                yield way, outputs


def _kept(values: Sequence[Values]) -> list[Values]:
    """Copies: a runtime gives its own memory, good until the next run."""
    return [np.array(one) for one in values]


def _sent(
    source: Path | str, arms: _OutputArms, task: Task, state: Unfinished, progress: Progress
) -> Iterator[tuple[Sample, Sent]]:
    """Every way of the images that are left."""
    before, total = len(state.images), len(task.samples)
    advance = counter(lambda done, *_: progress(before + done, total, "images"), total, "images")
    for sample in task.samples[before:]:
        whole: Sequence[Values] = ()
        for way, outputs in arms.ways(sample, task.canvas):
            whole = whole or outputs
            found = differences(source, arms.halves[0].names, outputs, whole)
            assert way.sent is not None
            yield sample, Sent(way.arm, way.sent, way.bare, differences=found, coding=way.coding)
        advance()


def _report(
    network: Network,
    arms: _OutputArms,
    task: Task,
    images: Sequence[Sequence[Sent]],
    asked: RunOptions,
) -> CompareOutputsReport:
    """Means of every way over the images."""
    area = fmean(sample.height * sample.width for sample in task.samples)
    halves = arms.halves[0]
    compiled = halves.head.compiled
    return CompareOutputsReport(
        source=network.record,
        device=asked.device,
        runtime=compiled.runtime,
        device_used=compiled.devices,
        precision_requested=asked.precision,
        precision_actual=compiled.precision,
        images=len(task.samples),
        arms=[_summary(arm, halves.names, of, area) for arm, of in by_arm(images).items()],
    )


def _summary(
    arm: ArmRecord, names: Sequence[str], of: Sequence[Sent], pixels: float
) -> OutputArmRecord:
    sent = with_bytes(arm, of, pixels)
    outputs = output_records(names, [one.differences for one in of])
    return OutputArmRecord(sent, outputs)
