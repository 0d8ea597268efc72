"""Predict a set of images, write masks and overlays, score them against labels."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.cost.bitrate import mbps
from splittool.data import rle, scores
from splittool.data.images import Canvas, Pixels
from splittool.data.kaggle import Labels, Sample, write_labels
from splittool.data.overlays import label_map, overlay
from splittool.errors import InputError
from splittool.files import make_folder, replacing, write_bytes
from splittool.reports import ImageRecord, InferReport, ScoreRecord, file_record
from splittool.split.runners import Frame, Pipeline, SplitPipeline


@dataclass(frozen=True)
class Predictions:
    """What came of a set of images.

    Attributes:
        classes: Names of the output maps.
        rows: One record per image.
        scores: None without labels.
        elements_per_frame: Values sent; None for a whole model.
        encode_ms: Mean per frame; None for a whole model.
        decode_ms: Mean per frame; None for a whole model.
        seconds: Wall time of the loop: reading, inference, drawing and writing.
    """

    classes: list[str]
    rows: list[ImageRecord]
    scores: ScoreRecord | None
    elements_per_frame: int | None
    seconds: float
    encode_ms: float | None = None
    decode_ms: float | None = None


@dataclass(frozen=True)
class _Finished:
    """One image after its masks are written: its record, its runs by class, its pixel counts."""

    row: ImageRecord
    runs: list[str]
    counts: NDArray[np.int64] | None


def gather(images: Sequence[Path], labels: Labels | None, canvas: Canvas) -> list[Sample]:
    """Check every image's header, size and labels before the first is predicted.

    Raises:
        InputError: One cannot be used, or two would write the same mask.
    """
    seen: dict[str, Path] = {}
    samples = []
    for path in images:
        if path.stem in seen:
            raise InputError(
                f"{path} and {seen[path.stem]} would both write {path.stem}.png;"
                " give them in two runs"
            )
        seen[path.stem] = path
        sample = (labels or Labels(path, (), {}, {})).sample(path)
        canvas.check(path, sample.height, sample.width)
        samples.append(sample)
    return samples


def predict(
    pipeline: Pipeline,
    canvas: Canvas,
    samples: Sequence[Sample],
    labels: Labels | None,
    folder: Path,
    threshold: float,
    advance: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predict every image and write masks/, overlays/ and predictions.csv.

    The next image is decoded and the last one written while the network runs.

    Args:
        pipeline: The whole model or both halves.
        canvas: What images are fitted to.
        samples: The images, from `gather`.
        labels: The true masks, or None.
        folder: Where to write.
        threshold: Probability from which a pixel belongs to a class.
        advance: Called once per image.

    Raises:
        InputError: An image is damaged; the masks of those before it are written.
        OutputError: A file cannot be written.
    """
    classes = class_names(pipeline.info.classes, labels, pipeline.maps)
    make_folder(folder / "masks")
    make_folder(folder / "overlays")
    waiting: list[Future[_Finished]] = []
    elements = None
    coding: list[tuple[float, float]] = []
    started = time.perf_counter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        upcoming = pool.submit(samples[0].image)
        for index, sample in enumerate(samples):
            pixels = upcoming.result()
            if index + 1 < len(samples):
                upcoming = pool.submit(samples[index + 1].image)
            frame = pipeline.run(canvas.image(pixels))
            _require_probabilities(pipeline.path, frame)
            elements = frame.elements
            if frame.encode_ms is not None and frame.decode_ms is not None:
                coding.append((frame.encode_ms, frame.decode_ms))
            finish = partial(_finish, sample, pixels, frame, classes, canvas, threshold, folder)
            waiting.append(pool.submit(finish, has_labels=labels is not None))
            if len(waiting) > 2:
                waiting[-3].result()  # writing keeps up, and what goes wrong shows early
            advance()
        finished = [future.result() for future in waiting]
    table = write_labels(
        (done.row.image, name, runs)
        for done in finished
        for name, runs in zip(classes, done.runs, strict=True)
        if runs
    )
    write_bytes(folder / "predictions.csv", table)
    return Predictions(
        classes=classes,
        rows=[done.row for done in finished],
        scores=_score(classes, [done.counts for done in finished if done.counts is not None]),
        elements_per_frame=elements,
        seconds=time.perf_counter() - started,
        encode_ms=fmean(times[0] for times in coding) if coding else None,
        decode_ms=fmean(times[1] for times in coding) if coding else None,
    )


def _require_probabilities(path: Path, frame: Frame) -> None:
    low, high = float(frame.probabilities.min()), float(frame.probabilities.max())
    if not -1e-3 <= low <= high <= 1 + 1e-3:
        raise InputError(
            f"{path} puts out values from {low:.3g} to {high:.3g}, which are no probabilities;"
            " end the network with a sigmoid or softmax"
        )


def class_names(known: Sequence[str], labels: Labels | None, number: int) -> list[str]:
    """What the output maps are called: as the model says (`known`), else by number.

    Raises:
        InputError: The labels are of classes that the model does not know.
    """
    names = list(known) or [str(i) for i in range(1, number + 1)]
    unknown = set(labels.classes) - set(names) if labels else set()
    if labels and unknown:
        raise InputError(
            f"{labels.path} has class {min(unknown)!r}, but the model predicts {', '.join(names)};"
            " give the labels it was trained on, or --no-labels"
        )
    return names


def _finish(
    sample: Sample,
    pixels: Pixels,
    frame: Frame,
    classes: list[str],
    canvas: Canvas,
    threshold: float,
    folder: Path,
    has_labels: bool,
) -> _Finished:
    """Bring one prediction back to its image, write it and compare it."""
    size = (sample.height, sample.width)
    probabilities = canvas.restore(frame.probabilities, *size)
    masks = probabilities >= threshold
    _save(label_map(probabilities, masks), folder / "masks" / f"{sample.path.stem}.png")
    truth = sample.masks(classes) if has_labels else None
    _save(overlay(pixels, masks, truth), folder / "overlays" / f"{sample.path.stem}.jpg")
    counts = None if truth is None else scores.count(masks, truth)
    dice = (
        None
        if counts is None
        else dict(zip(classes, map(float, scores.pair_dice(counts)), strict=True))
    )
    row = ImageRecord(
        image=sample.path.name,
        height=sample.height,
        width=sample.width,
        file_bytes=sample.path.stat().st_size,
        payload_bytes=frame.payload_bytes,
        pixels=dict(zip(classes, map(int, masks.sum((1, 2))), strict=True)),
        dice=dice,
    )
    return _Finished(row, [rle.encode(mask) for mask in masks], counts)


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as temporary:
        image.save(temporary, compress_level=1, quality=90)


def _score(classes: list[str], counts: list[NDArray[np.int64]]) -> ScoreRecord | None:
    if not counts:
        return None
    stacked = np.stack(counts)
    found = scores.summarise(scores.tally(stacked))
    return ScoreRecord(
        kaggle=found.kaggle,
        floor=found.floor,
        dice=found.dice,
        pooled_dice=found.pooled_dice,
        dice_per_class=dict(zip(classes, found.dice_per_class, strict=True)),
        pairs=found.pairs,
        defective_pairs=found.defective_pairs,
        dice_interval=scores.dice_interval(stacked),
    )


def make_report(
    source: Path,
    cut: str | None,
    folder: Path,
    pipeline: Pipeline,
    precision: str,
    threshold: float,
    fps: Sequence[float],
    predictions: Predictions,
) -> InferReport:
    """Means per frame, rates and scores of a set of predictions."""
    rows = predictions.rows
    payloads = [row.payload_bytes for row in rows if row.payload_bytes is not None]
    payload = sum(payloads) / len(payloads) if payloads else None
    files = sum(row.file_bytes for row in rows) / len(rows)
    elements = predictions.elements_per_frame
    sent = files if payload is None else payload
    pixels = sum(row.height * row.width for row in rows)
    link = pipeline.link if isinstance(pipeline, SplitPipeline) else None
    return InferReport(
        source=file_record(source),
        cut=cut,
        bits=link.common_bits if link else None,
        folder=str(folder),
        device=", ".join(pipeline.compiled.devices),
        precision_requested=precision,
        precision_actual=pipeline.compiled.precision,
        threshold=threshold,
        images=len(rows),
        seconds=predictions.seconds,
        images_per_second=len(rows) / predictions.seconds,
        payload_bytes_per_frame=payload,
        bits_per_element=None if payload is None or not elements else payload * 8 / elements,
        image_file_bytes_per_frame=files,
        raw_image_bytes_per_frame=sum(3 * row.height * row.width for row in rows) / len(rows),
        mbps={f"{rate:g}": mbps(sent, rate) for rate in fps},
        scores=predictions.scores,
        rows=rows,
        codec=link.codec if link else None,
        codec_per_tensor=link.codecs if link and link.codec == "mixed" else None,
        ranges=link.ranges if link else None,
        calibration=file_record(link.calibration) if link and link.calibration else None,
        bits_per_tensor=link.bits if link else None,
        bits_per_pixel=sum(payloads) * 8 / pixels if payloads else None,
        encode_ms=predictions.encode_ms,
        decode_ms=predictions.decode_ms,
        key_interval=link.key_interval if link else None,
        ranges_per=link.ranges_per if link else None,
    )
