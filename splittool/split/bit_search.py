"""The fewest bits that the accuracy allows, found on measured Dice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from splittool.codec.quantiser import dequantise, quantise
from splittool.codec.tensors import TensorSpec
from splittool.data import scores
from splittool.data.images import Canvas
from splittool.data.kaggle import Sample
from splittool.errors import InputError
from splittool.reports import SearchRecord
from splittool.split.runners import HeadPipeline, TailPipeline

LADDER = (8, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Judge:
    """Measures Dice over defective pairs with the crossing tensors at given bits.

    Attributes:
        head: The head of a cut.
        tail: Its tail.
        specs: What crosses, with ranges for every step of the ladder.
        samples: Images with labels.
        classes: Names of the output maps.
        canvas: What images are fitted to.
        threshold: Probability from which a pixel belongs to a class.
    """

    head: HeadPipeline
    tail: TailPipeline
    specs: Sequence[TensorSpec]
    samples: Sequence[Sample]
    classes: list[str]
    canvas: Canvas
    threshold: float

    def dice(self, bits: dict[str, int] | None) -> float:
        """Dice at these bits by tensor, or without a quantiser.

        Raises:
            InputError: No image has a defect.
        """
        counts = []
        for sample in self.samples:
            tensors = self.head.run(self.canvas.image(sample.image()))
            if bits is not None:
                tensors = [
                    dequantise(quantise(t, bits[s.name], s.name, s.ranges[bits[s.name]]))
                    if s.is_quantised
                    else t
                    for s, t in zip(self.specs, tensors, strict=True)
                ]
            maps = self.canvas.restore(self.tail.run(tensors), sample.height, sample.width)
            counts.append(scores.count(maps >= self.threshold, sample.masks(self.classes)))
        found = scores.summarise(scores.tally(np.stack(counts))).dice
        if found is None:
            raise InputError("no image has a defect, so there is no Dice; give images with some")
        return found


def search_bits(
    judge: Judge, max_loss: float, tick: Callable[[], object] = lambda: None
) -> SearchRecord:
    """Lower the bits of one tensor after the other as long as the accuracy holds.

    Greedy: of all tensors that can go one step down the ladder, the one that saves the most bits a
    frame is tried first; one that costs too much stays where it is. At most one measurement for
    each step of each tensor.

    Args:
        judge: Measures accuracy.
        max_loss: Dice that may be lost in all, from head and tail without a quantiser.
        tick: Called after each measurement.

    Raises:
        InputError: Even 8 bits lose more.
    """
    elements = {spec.name: prod(spec.shape) for spec in judge.specs if spec.is_quantised}
    bits = dict.fromkeys(elements, LADDER[0])
    whole = judge.dice(None)
    dice, measured = judge.dice(bits), 1
    if whole - dice > max_loss:
        raise InputError(
            f"even {LADDER[0]} bits lose {whole - dice:.4f} of Dice, more than --max-dice-loss"
            f" {max_loss:g}; allow more, or give --bits"
        )
    lowering = set(elements)
    while lowering:
        name = max(sorted(lowering), key=lambda n: elements[n] * (bits[n] - _below(bits[n])))
        trial = {**bits, name: _below(bits[name])}
        found, measured = judge.dice(trial), measured + 1
        tick()
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
        images=len(judge.samples),
        measurements=measured,
    )


def _below(bits: int) -> int:
    """The next step down the ladder."""
    return LADDER[min(LADDER.index(bits) + 1, len(LADDER) - 1)]
