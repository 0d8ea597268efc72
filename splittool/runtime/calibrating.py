"""Calibrate a cut: run its head over images, and choose the ranges of all that crosses."""

from collections.abc import Callable, Sequence

from splittool.codec.calibrate import Method, Sampler, choose_ranges
from splittool.data.images import Canvas
from splittool.data.kaggle import Sample
from splittool.reports import (
    CalibratedRecord,
    CalibratedTensorRecord,
    CalibrationReport,
    file_record,
)
from splittool.runtime.pipelines import HeadPipeline


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


def _choose(sampler: Sampler, bits: int, method: Method) -> CalibratedRecord:
    ranges, words = choose_ranges(sampler, bits, method)
    return CalibratedRecord(bits, words, ranges.low.tolist(), ranges.step.tolist())
