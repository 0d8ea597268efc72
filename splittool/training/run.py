"""From a folder of images to a trained checkpoint."""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splittool.data.images import Canvas
from splittool.data.kaggle import Sample, read_folder
from splittool.data.partition import stratified_split
from splittool.errors import InputError, UsageError
from splittool.files import write_bytes
from splittool.models import NETWORKS, Segmenter, build, checkpoints, options_of
from splittool.models.backbone import load_backbone
from splittool.training.dataset import SegmentationDataset, repeat_factors
from splittool.training.distributed import World
from splittool.training.loop import Outputs, Trainer
from splittool.training.observer import Observer
from splittool.training.settings import RECIPES, Settings


def train(
    folder: Path,
    settings: Settings,
    outputs: Outputs,
    world: World,
    observer: Observer,
    workers: int = 1,
    resume: bool = False,
    backbone: Path | None = None,
    start: Path | None = None,
) -> dict[str, Any]:
    """Train a network on a folder in Kaggle's layout.

    Args:
        folder: Holds train_images/ and train.csv.
        settings: What decides the outcome.
        outputs: Files to write; beside them goes the list of validation images.
        world: The processes that take part.
        observer: Who watches.
        workers: Processes that load images.
        resume: Go on from `outputs.state`.
        backbone: Weights that the backbone starts from; see `load_backbone`.
        start: A checkpoint of the same network and classes that all weights start from.

    Returns:
        {"classes", "canvas", "training_images", "validation_images", "history"}.

    Raises:
        InputError: The images or the state to resume from are not usable.
        TrainingError: The loss is not a number, or the state belongs to another run.
        StoppedError: A signal arrived; the state is saved.
    """
    if settings.batch_size % world.size:
        raise UsageError(
            f"--batch-size {settings.batch_size} does not divide over {world.size} processes;"
            f" give a multiple of {world.size}"
        )
    state = checkpoints.load(outputs.state, checkpoints.STATE) if resume else None
    samples, classes = read_folder(folder)
    chosen = stratified_split(samples, settings.validation, settings.seed)
    training, validation = ([samples[i] for i in part] for part in chosen)
    recipe = RECIPES[settings.recipe]
    mean, std = pixel_statistics(samples, observer)
    if not recipe.standardise:
        mean, std = 0.0, 255.0
    torch.manual_seed(settings.seed)
    model = build(settings.arch, len(classes), settings.options, mean, std)
    if recipe.prior is not None:
        assert model.classifier.bias is not None
        torch.nn.init.constant_(model.classifier.bias, math.log(recipe.prior / (1 - recipe.prior)))
    if backbone is not None:
        load_backbone(model.network, backbone)
    if start is not None:
        _start_from(start, model, settings, classes)
    canvas = choose_canvas(samples, settings, model.stride)
    content = {
        **checkpoints.model_content(model, settings.arch, settings.options, classes, canvas),
        "split": {
            "training": [sample.path.name for sample in training],
            "validation": [sample.path.name for sample in validation],
        },
    }
    trainer = Trainer(
        model=model,
        content=content,
        settings=settings,
        training=SegmentationDataset(training, classes, canvas, settings.crop, settings.jpeg),
        validation=SegmentationDataset(validation, classes, canvas),
        weights=repeat_factors(training) if recipe.balance else np.ones(len(training)),
        outputs=outputs,
        world=world,
        observer=observer,
        workers=workers,
    )
    if state is not None:
        trainer.resume(state)
    if world.rank == 0:
        listed = "".join(f"{sample.path.resolve()}\n" for sample in validation)
        write_bytes(validation_list(outputs), listed.encode())
    history = trainer.run()
    return {
        "classes": classes,
        "canvas": canvas,
        "training_images": len(training),
        "validation_images": len(validation),
        "history": history,
    }


def _start_from(path: Path, model: Segmenter, settings: Settings, classes: Sequence[str]) -> None:
    """Take all weights, and the normalisation, of a checkpoint.

    Raises:
        InputError: It is damaged, or of another network or other classes.
    """
    content = checkpoints.load(path, checkpoints.MODEL)
    trained = checkpoints.restore_model(path, content)
    same = (content["arch"], content["options"]) == (settings.arch, settings.options)
    if not same or content["classes"] != list(classes):
        raise InputError(
            f"{path} is a {content['arch']} {content['options']} for classes"
            f" {', '.join(content['classes'])}, not a {settings.arch} {settings.options} for"
            f" {', '.join(classes)}; give the same options and images"
        )
    model.load_state_dict(trained.state_dict())


def validation_list(outputs: Outputs) -> Path:
    """Where the paths of the held-out images go, one per line, for `splittool infer`."""
    return outputs.model.with_suffix(".validation.txt")


def make_settings(
    recipe: str, changes: dict[str, Any], options: Mapping[str, Any] | None = None
) -> Settings:
    """Settings of a recipe, with the given fields changed where they are not None.

    Args:
        recipe: Name in `RECIPES`.
        changes: Fields of `Settings` and their values.
        options: Options of the network and their values; None leaves one as the recipe has it.

    Raises:
        UsageError: The recipe, the network or one of its options is unknown.
    """
    if recipe not in RECIPES:
        raise UsageError(f"unknown recipe {recipe!r}; give one of: {', '.join(RECIPES)}")
    base = Settings(recipe=recipe, learning_rate=RECIPES[recipe].learning_rate)
    settings = replace(base, **{k: v for k, v in changes.items() if v is not None})
    if settings.arch not in NETWORKS:
        raise UsageError(f"unknown network {settings.arch!r}; give one of: {', '.join(NETWORKS)}")
    wanted = {name: value for name, value in (options or {}).items() if value is not None}
    known = options_of(settings.arch)
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"--{name} is no option of {settings.arch}; it has: {', '.join(known)}"
            )
    own = RECIPES[recipe].options.get(settings.arch, {})
    settings = replace(settings, options={**own, **settings.options, **wanted})
    try:
        with torch.device("meta"):  # nothing is allocated
            build(settings.arch, 1, settings.options)
    except ValueError as error:
        raise UsageError(f"{settings.arch} cannot be built: {error}") from None
    return settings


def choose_canvas(samples: list[Sample], settings: Settings, stride: int) -> Canvas:
    """The network's input size: as asked for, or around the largest image.

    Raises:
        UsageError: A size asked for is no multiple of the network's stride, or the crop is larger.
    """
    for option, size in (("--size", settings.size), ("--crop", settings.crop)):
        if size and (size[0] % stride or size[1] % stride):
            near = "x".join(str(max(stride, round(n / stride) * stride)) for n in size)
            raise UsageError(
                f"{option} {size[0]}x{size[1]}: {settings.arch} takes multiples of {stride};"
                f" give {option} {near}"
            )
    if settings.size is None:
        canvas = Canvas.around([(sample.height, sample.width) for sample in samples], stride)
    else:
        canvas = Canvas(*settings.size, "resize")
    if settings.crop and (settings.crop[0] > canvas.height or settings.crop[1] > canvas.width):
        raise UsageError(
            f"--crop {settings.crop[0]}x{settings.crop[1]} is larger than the images'"
            f" {canvas.height}x{canvas.width}; give a smaller one"
        )
    return canvas


def pixel_statistics(samples: list[Sample], observer: Observer) -> tuple[float, float]:
    """Read every image once: damage is found before training, not hours into it.

    Returns:
        Mean and standard deviation of all pixels.

    Raises:
        InputError: An image is damaged, or all pixels are the same.
    """
    observer.checking(len(samples))
    histogram = np.zeros(256, dtype=np.int64)
    with ThreadPoolExecutor() as pool:
        try:
            for counts in pool.map(_histogram, samples):
                histogram += counts
                observer.checked()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    values = np.arange(256)
    mean = float((histogram * values).sum() / histogram.sum())
    std = float(np.sqrt((histogram * (values - mean) ** 2).sum() / histogram.sum()))
    if std == 0:
        raise InputError(f"all pixels of {samples[0].path.parent} are {mean:g}; give real images")
    return mean, std


def _histogram(sample: Sample) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.bincount(sample.image().ravel(), minlength=256)
