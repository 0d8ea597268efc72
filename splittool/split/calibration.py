"""Calibrate a cut: run its head over images, and choose the quantiser's ranges for what crosses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from splittool.codec.choices import (
    CALIBRATED_BITS,
    DEFAULT_BITS,
    Choice,
    check_bits,
    parse_bits,
)
from splittool.codec.ranges import Sampler, choose_ranges
from splittool.progress import Progress, counter, nobody
from splittool.reports import (
    CalibratedRecord,
    CalibratedTensorRecord,
    CalibrationReport,
    file_record,
)
from splittool.split.bit_search import LADDER
from splittool.split.evaluation import Task
from splittool.split.options import RunOptions
from splittool.split.runners import HeadRunner
from splittool.vocabulary import RangesMethod

Bits = int | str | Mapping[str, int]


@dataclass(frozen=True)
class CalibrationOptions:
    """How ranges are chosen.

    Attributes:
        method: "min-max", "percentile", "best" of these for each tensor, or "mse", the best for
            each channel; see `splittool.codec.ranges.choose_ranges`.
        per_channel: Whether each channel has a range of its own, else one for each tensor.
        max_dice_loss: Find the fewest bits of each tensor that lose no more Dice than this; None
            does not look for them.
        run: Where the head runs, and how images are fitted.
    """

    method: RangesMethod = "best"
    per_channel: bool = True
    max_dice_loss: float | None = None
    run: RunOptions = field(default_factory=RunOptions)

    def choices(self, bits: Sequence[Bits] | None, names: Sequence[str]) -> list[dict[str, int]]:
        """The precisions to choose ranges for, each by the tensor's name.

        Args:
            bits: What was asked for: numbers, text such as "8,maxpool_2=4", or numbers by name.
                None is the usual ones, or those that a search may need.
            names: The crossing tensors.

        Raises:
            UsageError: A number is out of range, or a tensor does not cross.
        """
        usual = CALIBRATED_BITS if self.max_dice_loss is None else LADDER
        return [_of(choice, names) for choice in (usual if bits is None else bits)]


def _of(choice: Bits, names: Sequence[str]) -> dict[str, int]:
    if isinstance(choice, int):
        return dict.fromkeys(names, check_bits(choice))
    if isinstance(choice, str):
        return parse_bits(choice).of(names)
    named = {name: check_bits(number) for name, number in choice.items()}
    return Choice("bits", DEFAULT_BITS, named).of(names)


def calibrate(
    path: Path,
    head: HeadRunner,
    task: Task,
    choices: Sequence[dict[str, int]],
    options: CalibrationOptions,
    progress: Progress = nobody,
) -> CalibrationReport:
    """Run the head over images and choose ranges for all that crosses.

    Args:
        path: The cut.json.
        head: Its head.
        task: The images, and what they are fitted to.
        choices: The precisions wanted, each by tensor name.
        options: How ranges are chosen.
        progress: Told after each image.

    Raises:
        InputError: A tensor holds values that are not numbers, or an image is damaged.
    """
    samplers = {
        spec.name: Sampler(spec.name, len(task.samples), per_channel=options.per_channel)
        for spec in head.specs
        if spec.is_quantised
    }
    step = counter(progress, len(task.samples), "images")
    for sample in task.samples:
        tensors = head.run(task.canvas.image(sample.image()))
        for spec, tensor in zip(head.specs, tensors, strict=True):
            if spec.is_quantised:
                samplers[spec.name].add(tensor)
        step()
    return CalibrationReport(
        cut=file_record(path, path.name),
        images=len(task.samples),
        method=options.method,
        per="channel" if options.per_channel else "tensor",
        tensors=[
            CalibratedTensorRecord(
                name,
                [
                    _choose(sampler, bits, options.method)
                    for bits in sorted({choice[name] for choice in choices}, reverse=True)
                ],
            )
            for name, sampler in samplers.items()
        ],
    )


def _choose(sampler: Sampler, bits: int, method: RangesMethod) -> CalibratedRecord:
    ranges, words = choose_ranges(sampler, bits, method)
    return CalibratedRecord(bits, words, ranges.low.tolist(), ranges.step.tolist())
