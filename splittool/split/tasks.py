"""From images as a user names them to a task to evaluate."""

from pathlib import Path

from splittool.data.images import Canvas, Pixels
from splittool.data.samples import Picture, Pictures, Samples, Truth, samples
from splittool.errors import InputError
from splittool.split.evaluation import Task, class_names
from splittool.split.options import RunOptions
from splittool.split.runners import HeadRunner, Runner, canvas_of


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
    found = samples(images, labels)
    canvas = canvas_of(runner, options.fit)
    _check_sizes(found, canvas)
    classes = class_names(runner.info.classes, found.labels, runner.maps)
    return Task(found, classes, canvas, options.threshold, found.labelled)


def image_task(images: Pictures, head: HeadRunner, options: RunOptions) -> Task:
    """Images for a head alone, which has no masks to score.

    Raises:
        InputError: An image is not usable.
    """
    found = samples(images, False)
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
