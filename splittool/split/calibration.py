"""Calibrate a cut: run its head over images, and choose the ranges of all that crosses."""

from collections.abc import Callable, Sequence
from pathlib import Path

from splittool.codec.choices import CALIBRATED_BITS
from splittool.codec.ranges import Method, Sampler, choose_ranges
from splittool.data.images import Canvas
from splittool.data.kaggle import Sample
from splittool.files import write_bytes
from splittool.reports import (
    CalibratedRecord,
    CalibratedTensorRecord,
    CalibrationReport,
    CutReport,
    encode,
    file_record,
    read_report,
)
from splittool.split.calibration_file import FILE_NAME
from splittool.split.evaluation import gather
from splittool.split.runners import HeadPipeline, canvas_of


def calibrate(
    head: HeadPipeline,
    canvas: Canvas,
    samples: Sequence[Sample],
    bits: Sequence[dict[str, int]],
    method: Method = "best",
    advance: Callable[[], None] = lambda: None,
    per_channel: bool = True,
) -> CalibrationReport:
    """Run the head over images and choose ranges for all that crosses.

    Args:
        head: The head of a cut.
        canvas: What images are fitted to.
        samples: The images, from `gather`.
        bits: The precisions wanted, each by tensor name.
        method: See `choose_ranges`.
        advance: Called once per image.
        per_channel: One range for each channel of a tensor, else one for all.

    Raises:
        InputError: A tensor holds values that are not numbers, or an image is damaged.
    """
    samplers = {
        spec.name: Sampler(spec.name, len(samples), per_channel=per_channel)
        for spec in head.specs
        if spec.is_quantised
    }
    for sample in samples:
        tensors = head.run(canvas.image(sample.image()))
        for spec, tensor in zip(head.specs, tensors, strict=True):
            if spec.is_quantised:
                samplers[spec.name].add(tensor)
        advance()
    return CalibrationReport(
        cut=file_record(head.path, head.path.name),
        images=len(samples),
        method=method,
        per="channel" if per_channel else "tensor",
        tensors=[
            CalibratedTensorRecord(
                name,
                [
                    _choose(sampler, width, method)
                    for width in sorted({choice[name] for choice in bits}, reverse=True)
                ],
            )
            for name, sampler in samplers.items()
        ],
    )


def calibrate_cut(
    path: Path, images: Sequence[Path], advance: Callable[[], None] = lambda: None
) -> CalibrationReport:
    """Choose ranges for the usual precisions, and write them beside a cut.json.

    Args:
        path: The cut.json.
        images: Pictures like those that will be sent.
        advance: Called once per image.

    Raises:
        InputError: An image or the head cannot be used.
        OutputError: The file cannot be written.
    """
    head = HeadPipeline(path, read_report(path, CutReport), "CPU", "auto")
    canvas = canvas_of(head, None)
    choices = [{spec.name: bits for spec in head.specs} for bits in CALIBRATED_BITS]
    report = calibrate(head, canvas, gather(images, None, canvas), choices, advance=advance)
    write_bytes(path.parent / FILE_NAME, encode(report))
    return report


def _choose(sampler: Sampler, bits: int, method: Method) -> CalibratedRecord:
    ranges, words = choose_ranges(sampler, bits, method)
    return CalibratedRecord(bits, words, ranges.low.tolist(), ranges.step.tolist())
