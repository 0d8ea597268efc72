"""The fewest bits that the accuracy allows, found on measured Dice."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from numpy.typing import NDArray

from splittool.codec.quantiser import dequantise, quantise
from splittool.codec.tensors import TensorSpec
from splittool.data.images import Pixels
from splittool.data.kaggle import Sample
from splittool.errors import InputError
from splittool.progress import Progress, counter, nobody
from splittool.reports import SearchRecord
from splittool.split.evaluation import Task, evaluate, in_turn, score
from splittool.split.runners import HeadRunner, Inference, TailRunner

LADDER = (8, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Judge:
    """Measures Dice over defective pairs with the crossing tensors at given bits.

    Attributes:
        head: The head of a cut.
        tail: Its tail.
        specs: What crosses, with ranges for every step of the ladder.
        task: Images with labels.
    """

    head: HeadRunner
    tail: TailRunner
    specs: Sequence[TensorSpec]
    task: Task

    def dice(self, bits: dict[str, int] | None) -> float:
        """Dice at these bits by tensor, or without a quantiser.

        Raises:
            InputError: No image has a defect.
        """

        def ways(sample: Sample, pixels: Pixels) -> Iterator[tuple[None, Inference]]:
            tensors = self.head.run(self.task.canvas.image(pixels))
            received = tensors if bits is None else self._quantised(tensors, bits)
            yield None, Inference(self.tail.run(received))

        counts = evaluate(self.task, in_turn(ways), lambda one: one.counts)
        found = score(self.task.classes, [each for each in counts if each is not None])
        if found is None or found.dice is None:
            raise InputError("no image has a defect, so there is no Dice; give images with some")
        return found.dice

    def _quantised(
        self, tensors: Sequence[NDArray[Any]], bits: dict[str, int]
    ) -> list[NDArray[Any]]:
        return [
            dequantise(quantise(t, bits[s.name], s.name, s.ranges[bits[s.name]]))
            if s.is_quantised
            else t
            for s, t in zip(self.specs, tensors, strict=True)
        ]


def search_bits(judge: Judge, max_loss: float, progress: Progress = nobody) -> SearchRecord:
    """Lower the bits of one tensor after the other as long as the accuracy holds.

    Greedy: of all tensors that can go one step down the ladder, the one that saves the most bits a
    frame is tried first; one that costs too much stays where it is. At most one measurement for
    each step of each tensor.

    Args:
        judge: Measures accuracy.
        max_loss: Dice that may be lost in all, from head and tail without a quantiser.
        progress: Told after each measurement.

    Raises:
        InputError: Even 8 bits lose more.
    """
    elements = {spec.name: prod(spec.shape) for spec in judge.specs if spec.is_quantised}
    bits = dict.fromkeys(elements, LADDER[0])
    whole = judge.dice(None)
    dice, measured = judge.dice(bits), 1
    if whole - dice > max_loss:
        raise InputError(
            f"even {LADDER[0]} bits lose {whole - dice:.4f} of Dice, more than `max_dice_loss`"
            f" {max_loss:g}; allow more, or give `bits`"
        )
    lowering = set(elements)
    step = counter(progress, len(elements) * (len(LADDER) - 1), "searching bits")
    while lowering:
        name = max(sorted(lowering), key=lambda n: elements[n] * (bits[n] - _below(bits[n])))
        trial = {**bits, name: _below(bits[name])}
        found, measured = judge.dice(trial), measured + 1
        step()
        if whole - found <= max_loss:
            bits, dice = trial, found
        else:
            lowering.discard(name)
        lowering -= {n for n in lowering if bits[n] == LADDER[-1]}
    return SearchRecord(
        bits=bits,
        dice=dice,
        dice_unquantised=whole,
        max_dice_loss=max_loss,
        images=len(judge.task.samples),
        measurements=measured,
    )


def _below(bits: int) -> int:
    """The next step down the ladder."""
    return LADDER[min(LADDER.index(bits) + 1, len(LADDER) - 1)]
