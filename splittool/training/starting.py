"""The weights that training starts from."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from splittool.errors import InputError
from splittool.models import LatentCut, Segmenter, build, checkpoints, own_options
from splittool.models.backbone import load_backbone
from splittool.models.checkpoints import Checkpoint
from splittool.training.observer import Observer
from splittool.training.settings import RECIPES, Settings


class Starts(NamedTuple):
    """Files that weights can start from; see `splittool.training.run.TrainingOptions`."""

    backbone: Path | None
    start: Path | None
    teachers: Sequence[Path]


def start_model(
    settings: Settings,
    starts: Starts,
    classes: Sequence[str],
    statistics: tuple[float, float],
    observer: Observer,
) -> Segmenter:
    """The network with the weights that training starts from.

    Without a file to start from, the part behind a cut starts from the first teacher that is the
    same network.

    Args:
        settings: The settings of the run.
        starts: Files to start from.
        classes: Names of the masks.
        statistics: Mean and standard deviation of the training pixels.
        observer: Told where the part behind a cut starts.

    Raises:
        InputError: A file is damaged, or of another network or other classes.
        UsageError: The network has no backbone.
    """
    recipe = RECIPES[settings.recipe]
    mean, std = statistics if recipe.standardise else (0.0, 255.0)
    torch.manual_seed(settings.seed)
    model = build(settings.arch, len(classes), settings.options, mean, std)
    if recipe.prior is not None:
        assert model.classifier.bias is not None
        torch.nn.init.constant_(model.classifier.bias, math.log(recipe.prior / (1 - recipe.prior)))
    if starts.backbone is not None:
        load_backbone(model.network, starts.backbone)
    start = starts.start
    if start is None and isinstance(model.network, LatentCut):
        start = _first_like(starts.teachers, settings)
        begin = f"from {start}" if start else "at random: no teacher is the same network"
        observer.noted(f"weights behind {settings.options['at']} start {begin}")
    if start is not None:
        _start_from(start, model, settings, classes)
    return model


def _first_like(teachers: Sequence[Path], settings: Settings) -> Path | None:
    """The first teacher that is the network that is cut."""
    cut = settings.arch, own_options(settings.options)
    for path in teachers:
        found = checkpoints.load(path)
        if (found.arch, found.options) == cut:
            return path
    return None


def _start_from(path: Path, model: Segmenter, settings: Settings, classes: Sequence[str]) -> None:
    """Take the weights, and the normalisation, of a checkpoint: all, or those behind the cut.

    Raises:
        InputError: It is damaged, or of another network or other classes.
    """
    found = checkpoints.load(path)
    trained = checkpoints.restore(path, found)
    if not _is_like(found, settings, classes):
        raise InputError(
            f"{path} is a {found.arch} {found.options} for classes {', '.join(found.classes)},"
            f" not a {settings.arch} {settings.options} for {', '.join(classes)};"
            " give the same options and images"
        )
    if found.options == settings.options:
        model.load_state_dict(trained.state_dict())
        return
    assert isinstance(model.network, LatentCut)
    model.normalise.load_state_dict(trained.normalise.state_dict())
    model.network.start_from(trained.network)


def _is_like(found: Checkpoint, settings: Settings, classes: Sequence[str]) -> bool:
    """Whether it is of the same network, or of that without a cut, and the same classes."""
    fitting = (settings.options, own_options(settings.options))
    same = found.arch == settings.arch and found.options in fitting
    return same and found.classes == list(classes)
