"""The one evaluation loop: images go through a network in one or several ways.

`infer` has one way, the network as it is; `compare` has one for each cut, precision, codec and
image format; the search for the fewest bits has one for each trial.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from splittool.data import scores
from splittool.data.images import Canvas, Pixels
from splittool.data.kaggle import Labels, Sample
from splittool.data.samples import Picture, Pictures, Samples, Truth, samples
from splittool.errors import InputError
from splittool.progress import Progress, nobody
from splittool.reports import ScoreRecord
from splittool.split.options import RunOptions
from splittool.split.pipeline import Clock, ahead, each, ordered
from splittool.split.runners import HeadRunner, Inference, Runner, canvas_of

Counts = NDArray[np.int64]
Masks = NDArray[np.bool_]

Way = TypeVar("Way")
Result = TypeVar("Result")

_FINISHING = 2  # images whose masks are drawn and written at a time


@dataclass(frozen=True)
class Task:
    """What to evaluate.

    Attributes:
        samples: The images.
        classes: Names of the output maps.
        canvas: What images are fitted to.
        threshold: Probability from which a pixel belongs to a class.
        labelled: Whether the samples' masks are known.
        table: The file that they are from, if they are from one.
    """

    samples: Sequence[Sample]
    classes: list[str]
    canvas: Canvas
    threshold: float
    labelled: bool = True
    table: Path | None = None

    def load(self, index: int) -> "Loaded":
        """Decode one image and its true masks.

        Raises:
            InputError: It is damaged.
        """
        sample = self.samples[index]
        truth = sample.masks(self.classes) if self.labelled else None
        return Loaded(index, sample, sample.image(), truth)


@dataclass(frozen=True)
class Evaluated(Generic[Way]):
    """One image after it went one way.

    Attributes:
        sample: The image.
        pixels: (H, W, 3) of it.
        way: Which way.
        inference: What the network made of it, on the canvas.
        probabilities: (C, H, W) of the image's size.
        masks: (C, H, W), the probabilities after the threshold.
        truth: (C, H, W) true masks; None without labels.
        counts: (C, 3) pixels in common, predicted and true; None without labels.
    """

    sample: Sample
    pixels: Pixels
    way: Way
    inference: Inference
    probabilities: NDArray[np.float32]
    masks: Masks
    truth: Masks | None
    counts: Counts | None


@dataclass(frozen=True)
class Loaded:
    """One image on its way in.

    Attributes:
        index: Its place among all.
        sample: The image.
        pixels: (H, W, 3) of it.
        truth: (C, H, W) true masks; None without labels.
    """

    index: int
    sample: Sample
    pixels: Pixels
    truth: Masks | None


# From a stream of images to a stream of what each way made of them.
Ways = Callable[[Iterator[Loaded]], Iterator[tuple[Loaded, Way, Inference]]]


def in_turn(ways: Callable[[Sample, Pixels], Iterable[tuple[Way, Inference]]]) -> Ways[Way]:
    """Ways that take one image after the other, from a function that computes one in all ways."""

    def every(images: Iterable[Loaded]) -> Iterator[tuple[Loaded, Way, Inference]]:
        computed = each(lambda image: (image, ways(image.sample, image.pixels)), images)
        with closing(computed):
            for image, found in computed:
                for way, inference in found:
                    yield image, way, inference

    return every


def evaluate(
    task: Task,
    ways: Ways[Way],
    finish: Callable[[Evaluated[Way]], Result],
    progress: Progress = nobody,
    clock: Clock | None = None,
) -> Generator[Result, None, None]:
    """Send every image every way, and compare its masks with the true ones.

    Reading, whatever `ways` does, and finishing each have threads of their own.

    Args:
        task: What to evaluate.
        ways: Computes images of their own sizes, in each way.
        finish: Takes what came of an image; called in several threads.
        progress: Told after each image.
        clock: Takes down how long the stages `read` and `write` were busy.

    Yields:
        What `finish` returns, in order.

    Raises:
        InputError: An image is damaged; those before it are finished.
    """
    total, clock, done = len(task.samples), clock or Clock(), 0

    def write(found: tuple[Loaded, Way, Inference]) -> tuple[int, Result]:
        return found[0].index, _finish(task, found, finish)

    progress(0, total, "images")
    read = clock.timed("read", task.load)
    images = ahead(each(read, range(total)))
    writing = clock.timed("write", write, _FINISHING)
    with closing(ordered(writing, ahead(ways(images)), _FINISHING)) as finished:
        for index, result in finished:
            yield result
            if index > done:
                done = index
                progress(done, total, "images")
    progress(total, total, "images")


def _finish(
    task: Task,
    found: tuple[Loaded, Way, Inference],
    finish: Callable[[Evaluated[Way]], Result],
) -> Result:
    """Bring probabilities back to the image, compare them, and finish."""
    image, way, inference = found
    sample, truth = image.sample, image.truth
    canvas = inference.canvas or task.canvas
    maps = canvas.restore(inference.probabilities, sample.height, sample.width)
    masks = maps >= task.threshold
    counts = None if truth is None else scores.count(masks, truth)
    return finish(Evaluated(sample, image.pixels, way, inference, maps, masks, truth, counts))


def score(classes: Sequence[str], counts: Sequence[Counts]) -> ScoreRecord | None:
    """Scores of a set of images; None if there are none.

    Args:
        classes: Names of the output maps.
        counts: (C, 3) of each image.
    """
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
        dice_interval_images=scores.defective_images(stacked),
    )


def class_names(known: Sequence[str], labels: Labels | None, number: int) -> list[str]:
    """What the output maps are called: as the network says (`known`), else by number.

    Raises:
        InputError: The labels are of classes that the network does not know.
    """
    names = list(known) or [str(i) for i in range(1, number + 1)]
    unknown = set(labels.classes) - set(names) if labels else set()
    if labels and unknown:
        raise InputError(
            f"{labels.path} has class {min(unknown)!r}, but the model predicts {', '.join(names)};"
            " give the labels it was trained on, or `no_labels`"
        )
    return names


def make_task(images: Pictures, labels: Truth, runner: Runner, options: RunOptions) -> Task:
    """Check every image's header, size and labels before the first is predicted.

    Args:
        images: Folders, files, .txt lists, PIL images or uint8 arrays; one or several.
        labels: True masks; None looks for a train.csv beside the images, False for nothing.
        runner: The network.
        options: How images are fitted, and from which probability a pixel belongs to a class.

    Raises:
        InputError: An image or the labels are not usable, or are of classes that the network does
            not know.
    """
    found = samples(images, labels, options.max_pixels)
    canvas = canvas_of(runner, options.fit)
    _check_sizes(found, canvas)
    classes = class_names(runner.info.classes, found.labels, runner.maps)
    table = found.labels.path if found.labels else None
    return Task(found, classes, canvas, options.threshold, found.labelled, table)


def image_task(images: Pictures, head: HeadRunner, options: RunOptions) -> Task:
    """Images for a head alone, which has no masks to score.

    Raises:
        InputError: An image is not usable.
    """
    found = samples(images, False, options.max_pixels)
    canvas = canvas_of(head, options.fit)
    _check_sizes(found, canvas)
    return Task(found, [], canvas, options.threshold, labelled=False)


def _check_sizes(found: Samples, canvas: Canvas) -> None:
    for sample in found:
        canvas.check(sample.path, sample.height, sample.width)


def refuse_same_names(found: Task) -> None:
    """Refuse two images whose masks would have the same file name.

    Raises:
        InputError: There are such.
    """
    seen: dict[str, Path] = {}
    for sample in found.samples:
        stem = sample.path.stem
        if stem in seen:
            raise InputError(
                f"{sample.path} and {seen[stem]} would both write {stem}.png; give them in two runs"
            )
        seen[stem] = sample.path


def one_image(image: Picture) -> Pixels:
    """(H, W, 3) pixels of one image, however it is given.

    Raises:
        InputError: It is not one image.
    """
    found = samples(image, False)
    if len(found) != 1:
        raise InputError(f"{len(found)} images were given where one is wanted; use evaluate")
    return found[0].image()
