"""Cuts of a network beside its compressed input: bytes, accuracy and work on the device."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace as changed
from statistics import fmean
from time import perf_counter

import numpy as np
from msgspec.structs import replace

from splittool.codec.masks import decode_masks, encode_masks
from splittool.cost.energy import EnergyModel
from splittool.data import scores
from splittool.data.image_codecs import Coding
from splittool.data.kaggle import Sample
from splittool.data.samples import Pictures, Truth
from splittool.errors import InputError
from splittool.files import write_bytes
from splittool.network.arm_energy import with_energy
from splittool.network.arms import Arms, Way
from splittool.network.compare_options import BITS, CompareOptions, grid_of
from splittool.network.equal_dice import equal_dice
from splittool.network.network import Network
from splittool.network.unfinished import Sent, Unfinished, by_arm, identity, unfinished, with_bytes
from splittool.progress import Progress, nobody
from splittool.reports import ArmRecord, CompareReport, encode
from splittool.split.evaluation import Evaluated, Task, evaluate, in_turn, make_task

NEARLY = 0.005  # of Dice, that a way may lose and still count as as good


def compare(
    network: Network,
    images: Pictures,
    at: Sequence[str] | None = None,
    bits: Sequence[int] = BITS,
    labels: Truth = None,
    how: CompareOptions | None = None,
    progress: Progress = nobody,
) -> CompareReport:
    """Score a network whole, cut at several points and on compressed images, beside others.

    Args:
        network: A segmentation network; for others see `compare_outputs`.
        images: Images with labels.
        at: Split points, maybe none; None takes all that the network names.
        bits: Bits per element of crossing tensors.
        labels: True masks; None takes the train.csv beside the images.
        how: What else to compare, and where everything runs.
        progress: Told after each image.

    Returns:
        The whole network first, then answers, cuts and image formats.

    Raises:
        InputError: An image, the labels or a network is not usable, or networks differ in classes.
        UsageError: A codec, format, number of bits or quality is unknown, the network names no
            split points and none is given, or a figure of energy is missing.
        MissingExtraError: An image format cannot be written here.
        OutputError: The report exists or cannot be written, or what is done so far is of another
            comparison.
        StoppedError: A signal arrived, and a report was asked for: what is done is kept.
    """
    how = how or CompareOptions()
    grid = grid_of(network, at, bits, how)
    options = changed(how.run, tail_device=how.run.device)
    energy = how.energy.model(network)
    arms = Arms(network, grid, options)
    task = make_task(images, labels, arms.whole.runner, options)
    if not task.labelled:
        raise InputError(
            f"there is no train.csv beside {task.samples[0].path}; comparing needs labels:"
            " give `labels`"
        )
    of = [network.record.sha256, *(file.sha256 for file in grid.files), grid.described, options]
    of += [task.classes, *map(identity, task.samples)]
    with unfinished(how.output, of, how.resume, how.force) as state:
        left = changed(task, samples=task.samples[len(state.images) :])
        ways = in_turn(lambda *image: arms.ways(left, *image))
        with closing(evaluate(left, ways, _finish, _after(state, progress))) as finished:
            state.add(finished, len(task.samples))
        report = _report(network, arms, task, state.images, how, energy)
        if how.output is not None:
            write_bytes(how.output, encode(report))
    return report


def _after(state: Unfinished, progress: Progress) -> Progress:
    """Progress that counts the images of before."""
    before = len(state.images)
    return lambda done, total, what: progress(before + done, before + total, what)


def _report(
    network: Network,
    arms: Arms,
    task: Task,
    images: Sequence[Sequence[Sent]],
    how: CompareOptions,
    energy: EnergyModel | None,
) -> CompareReport:
    """Means of every way over the images."""
    found = by_arm(images)
    whole = next(iter(found.values()))
    area = fmean(sample.height * sample.width for sample in task.samples)
    records = [_summary(arm, members, area, whole) for arm, members in found.items()]
    defective = sum(true > 0 for one in whole for _, _, true in one.counts)
    compiled, options = arms.whole.runner.compiled, how.run
    return CompareReport(
        source=network.record,
        device=options.device,
        runtime=compiled.runtime,
        device_used=compiled.devices,
        precision_requested=options.precision,
        precision_actual=compiled.precision,
        threshold=options.threshold,
        images=len(task.samples),
        defective_pairs=defective,
        floor=1 - defective / (len(task.samples) * len(task.classes)),
        arms=[with_energy(record, energy) for record in records],
        networks=arms.files,
        equal_dice=equal_dice(records, _targets(records[0].dice, how.at_dice)),
        energy=energy.record if energy else None,
        link_mbps=energy.link_mbps if energy else None,
    )


def _targets(whole: float | None, given: Sequence[float] | None) -> Sequence[float]:
    if given is not None:
        return given
    return [] if whole is None else [whole, whole - NEARLY]


def _finish(one: Evaluated[Way]) -> tuple[Sample, Sent]:
    assert one.counts is not None
    way, sent, coding = one.way, one.way.sent, one.way.coding
    if sent is None:
        started = perf_counter()
        answer = encode_masks(one.masks)
        coded = perf_counter()
        decode_masks(answer)
        sent, coding = len(answer), Coding((coded - started) * 1e3, (perf_counter() - coded) * 1e3)
    return one.sample, Sent(way.arm, sent, way.bare, one.counts.tolist(), coding=coding)


def _summary(
    arm: ArmRecord, members: Sequence[Sent], pixels: float, whole: Sequence[Sent]
) -> ArmRecord:
    """Means over images; `pixels` is those of a mean image, `whole` what Dice is lost from."""
    counts, reference = (np.array([one.counts for one in way]) for way in (members, whole))
    found, before = (scores.summarise(scores.tally(way)) for way in (counts, reference))
    known = found.dice is not None and before.dice is not None
    return replace(
        with_bytes(arm, members, pixels),
        dice=found.dice,
        dice_interval=scores.dice_interval(counts),
        dice_loss=before.dice - found.dice if known else None,  # type: ignore[operator]
        dice_loss_interval=scores.difference_interval(reference, counts),
        pooled_dice=found.pooled_dice,
        kaggle=found.kaggle,
        dice_interval_images=scores.defective_images(counts),
    )
