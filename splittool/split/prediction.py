"""Predict a set of images, whole or split: masks on disk, bytes and scores in a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from time import perf_counter

import numpy as np
from msgspec import structs
from PIL import Image

from splittool.cost.bitrate import mbps
from splittool.data import rle, scores
from splittool.data.kaggle import write_labels
from splittool.data.overlays import label_map, overlay, with_legend
from splittool.errors import InputError
from splittool.files import make_folder, replacing, write_bytes
from splittool.progress import Progress, nobody
from splittool.reports import (
    AgainstWholeRecord,
    FileRecord,
    ImageRecord,
    InferReport,
    encode,
    file_record,
)
from splittool.split.engines import Engine
from splittool.split.evaluation import (
    Counts,
    Evaluated,
    Loaded,
    Task,
    evaluate,
    refuse_same_names,
    score,
)
from splittool.split.link import Link
from splittool.split.options import RunOptions
from splittool.split.pipeline import Clock
from splittool.split.runners import Inference, Runner, SplitRunner

_NO_MAPS = np.empty((0, 0, 0), dtype=np.float32)


@dataclass(frozen=True)
class _Finished:
    """One image: its record, its runs by class, its pixel counts, and the times it took."""

    row: ImageRecord
    runs: list[str]
    counts: Counts | None
    inference: Inference
    whole: "_Whole | None"


@dataclass(frozen=True)
class _Whole:
    """What the whole network makes of one image: its counts, and how far the split one is off."""

    counts: Counts | None
    other_pixels: float
    largest: float


@dataclass(frozen=True)
class Subject:
    """What predicts.

    Attributes:
        record: The file it comes from.
        runner: The network, whole or split.
        cut: The split point; None for a whole network.
    """

    record: FileRecord
    runner: Runner
    cut: str | None = None


def predict(
    subject: Subject,
    task: Task,
    options: RunOptions,
    folder: Path | None = None,
    progress: Progress = nobody,
) -> InferReport:
    """Predict every image, and report bytes, times and scores.

    Args:
        subject: What predicts.
        task: The images, and what is known of them.
        options: Where it runs, and frame rates to give Mbit/s for.
        folder: Where masks/, overlays/, predictions.csv and report.json go; None writes nothing.
        progress: Told after each image.

    Raises:
        InputError: An image is damaged; the masks of those before it are written.
        OutputError: A file cannot be written.
    """
    if folder is not None:
        refuse_same_names(task)
        make_folder(folder / "masks")
        make_folder(folder / "overlays")
    runner, clock = subject.runner, Clock()
    started = perf_counter()

    def ways(images: Iterator[Loaded]) -> Iterator[tuple[Loaded, None, Inference]]:
        fitted = ((image, task.canvas.image(image.pixels)) for image in images)
        for image, inference in runner.stream(fitted, clock):
            _require_probabilities(runner, inference)
            yield image, None, inference

    finish = partial(_finish, task=task, folder=folder)
    finished = list(evaluate(task, ways, finish, progress, clock))
    report = _report(subject, task, options, finished, perf_counter() - started)
    _describe_stages(report, clock)
    if folder is not None:
        table = folder / "predictions.csv"
        write_bytes(table, _table(finished, task.classes))
        report.folder, report.predictions = str(folder), file_record(table)
        write_bytes(folder / "report.json", encode(report))
    return report


def _require_probabilities(runner: Runner, inference: Inference) -> None:
    low, high = float(inference.probabilities.min()), float(inference.probabilities.max())
    if not -1e-3 <= low <= high <= 1 + 1e-3:
        raise InputError(
            f"{runner.source} puts out values from {low:.3g} to {high:.3g}, which are not"
            " probabilities; end the network with a sigmoid or softmax"
        )


def _finish(one: Evaluated[None], task: Task, folder: Path | None) -> _Finished:
    """Write what came of one image, and take down what it came to."""
    sample, masks, counts, classes = one.sample, one.masks, one.counts, task.classes
    if folder is not None:
        stem = sample.path.stem
        _save(label_map(one.probabilities, masks), folder / "masks" / f"{stem}.png")
        picture = with_legend(
            overlay(one.pixels, masks, one.truth), classes, outlined=one.truth is not None
        )
        _save(picture, folder / "overlays" / f"{stem}.jpg")
    dice = None if counts is None else map(float, scores.pair_dice(counts))
    row = ImageRecord(
        image=sample.name,
        height=sample.height,
        width=sample.width,
        file_bytes=sample.file_bytes,
        payload_bytes=one.inference.payload_bytes,
        pixels=dict(zip(classes, map(int, masks.sum((1, 2))), strict=True)),
        dice=None if dice is None else dict(zip(classes, dice, strict=True)),
        path=None if sample.pixels is not None else str(sample.path),
    )
    runs = [rle.encode(mask) for mask in masks]
    # Of all images only numbers are kept: thousands of maps would not fit into memory.
    inference = replace(one.inference, probabilities=_NO_MAPS, whole=None)
    return _Finished(row, runs, counts, inference, _beside_whole(one, task))


def _beside_whole(one: Evaluated[None], task: Task) -> _Whole | None:
    if one.inference.whole is None:
        return None
    maps = task.canvas.restore(one.inference.whole, one.sample.height, one.sample.width)
    masks = maps >= task.threshold
    return _Whole(
        counts=None if one.truth is None else scores.count(masks, one.truth),
        other_pixels=float((masks != one.masks).any(0).mean()),
        largest=float(np.abs(maps - one.probabilities).max()),
    )


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        image.save(temporary, compress_level=1, quality=90)


def _table(finished: Sequence[_Finished], classes: Sequence[str]) -> bytes:
    return write_labels(
        (done.row.image, name, runs)
        for done in finished
        for name, runs in zip(classes, done.runs, strict=True)
        if runs
    )


def _report(
    subject: Subject,
    task: Task,
    options: RunOptions,
    finished: Sequence[_Finished],
    seconds: float,
) -> InferReport:
    """Means per frame, rates and scores of a set of predictions."""
    runner, rows = subject.runner, [done.row for done in finished]
    elements = finished[-1].inference.elements
    described = (subject.record, subject.cut, runner.compiled)
    report = base_report(*described, options, rows, elements, seconds)
    report.scores = score(
        task.classes, [done.counts for done in finished if done.counts is not None]
    )
    report.labels = file_record(task.table) if task.table else None
    report.encode_ms = _mean([done.inference.encode_ms for done in finished])
    report.decode_ms = _mean([done.inference.decode_ms for done in finished])
    if isinstance(runner, SplitRunner):
        describe_link(report, runner.link, runner.tail.compiled)
    report.whole = _against_whole(finished)
    return report


def base_report(
    record: FileRecord,
    cut: str | None,
    engine: Engine,
    options: RunOptions,
    rows: list[ImageRecord],
    elements: int | None,
    seconds: float,
) -> InferReport:
    """What a report says of any network: where it ran, how fast, and mean bytes per frame.

    Args:
        record: The file it comes from.
        cut: The split point; None for a whole network.
        engine: The network, or its head, on its device.
        options: How it ran, and frame rates to give Mbit/s for.
        rows: The images.
        elements: Values that cross for each; None for a whole network.
        seconds: How long all took.
    """
    payload = _mean([row.payload_bytes for row in rows])
    files = _mean([row.file_bytes for row in rows])
    sent = files if payload is None else payload
    pixels = fmean(row.height * row.width for row in rows)
    return InferReport(
        source=record,
        cut=cut,
        bits=None,
        folder=None,
        device=", ".join(engine.devices),
        precision_requested=options.precision,
        precision_actual=engine.precision,
        runtime=engine.runtime,
        threshold=options.threshold,
        images=len(rows),
        seconds=seconds,
        images_per_second=len(rows) / seconds,
        payload_bytes_per_frame=payload,
        bits_per_element=None if payload is None or not elements else payload * 8 / elements,
        image_file_bytes_per_frame=files,
        raw_image_bytes_per_frame=3 * pixels,
        mbps={} if sent is None else {f"{rate:g}": mbps(sent, rate) for rate in options.fps},
        scores=None,
        rows=rows,
        bits_per_pixel=None if payload is None else payload * 8 / pixels,
    )


def _against_whole(finished: Sequence[_Finished]) -> AgainstWholeRecord | None:
    """What the link lost; None where the whole network did not run along."""
    wholes = [done.whole for done in finished if done.whole is not None]
    if not wholes:
        return None
    before = [whole.counts for whole in wholes if whole.counts is not None]
    after = [done.counts for done in finished if done.counts is not None]
    record = AgainstWholeRecord(
        other_pixels=fmean(whole.other_pixels for whole in wholes),
        largest_difference=max(whole.largest for whole in wholes),
    )
    if not before:
        return record
    reference, counts = np.stack(before), np.stack(after)
    whole, split = (scores.summarise(scores.tally(each)).dice for each in (reference, counts))
    if whole is None or split is None:
        return record
    return structs.replace(
        record,
        dice=whole,
        dice_loss=whole - split,
        dice_loss_interval=scores.difference_interval(reference, counts),
    )


def _describe_stages(report: InferReport, clock: Clock) -> None:
    """Mean busy time of each stage, and the images per second against the slowest one's rate."""
    per_image = {name: each / report.images for name, each in clock.per_thread().items()}
    report.stage_ms = {name: seconds * 1e3 for name, seconds in per_image.items()}
    report.slowest_stage = max(per_image, key=lambda name: per_image[name])
    report.share_of_slowest = report.images_per_second * per_image[report.slowest_stage]


def describe_link(report: InferReport, link: Link, tail: Engine) -> None:
    """Take down how tensors were sent, and where the tail ran."""
    report.tail_runtime, report.tail_device = tail.runtime, ", ".join(tail.devices)
    report.bits = link.common_bits
    report.codec = link.codec
    report.codec_per_tensor = link.codecs if link.codec == "mixed" else None
    report.ranges, report.ranges_per = link.ranges, link.ranges_per
    report.calibration = file_record(link.calibration) if link.calibration else None
    report.bits_per_tensor = link.bits
    report.key_interval = link.key_interval


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
