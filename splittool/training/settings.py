"""The settings of a training run, and the recipes that fill them in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil
import torch

from splittool.errors import UsageError
from splittool.models import NETWORKS, build, checkpoints, has_latent, options_of
from splittool.reports import TrainingSettings
from splittool.training.precision import spell_precision
from splittool.training.rate import FRAME_BYTES, WEIGHT

Settings = TrainingSettings  # the report of a run has them


MOST_IMAGES = 2**16  # of a batch

# Smallest and largest number of an option of a network that is a list.
CHANNELS, BLOCKS = (1, 2**16 - 1), (0, 100)
LISTS = {"widths": CHANNELS, "depths": BLOCKS, "cloud_depths": BLOCKS}


@dataclass(frozen=True)
class Recipe:
    """How to train, apart from what the paper fixes (Adam, BCE + Dice).

    Attributes:
        options: Options of each network that differ from its defaults.
        dice: "image" takes the Dice term for each image and class, as the paper's equation reads.
            "batch" takes it for each class over the whole batch: an image without the class then
            says little, where it would otherwise pull all predictions to zero.
        hardest: Share of each image's pixels whose cross-entropy counts; see `bce_dice_loss`.
        own: Weight of the cross-entropy of each class over its own pixels; see `bce_dice_loss`.
        schedule: "constant", or "onecycle": warm-up, then a cosine down to zero.
        learning_rate: Learning rate of Adam; the peak value when a schedule is used.
        clip: Largest norm of a step's gradient, over all weights; None for any. A batch that misses
            a whole defect has several times the usual one, and Adam takes many steps to forget it:
            without a limit a rare class is found late or never.
        balance: Choose images, and windows of them, by class; see `balance_classes`.
        window: Rows and columns of the largest window that is trained on where the user asks for
            none, so that padding and clean steel do not take most of the time; None trains on whole
            images.
        affine: Turn, scale and shift most images a little, where images are augmented.
        average: Validate and keep a running mean of the weights; see `average_of`.
        standardise: Normalise by the training images' mean and deviation instead of 0 and 255.
        prior: Probability that an untrained network gives every pixel (Lin et al., 2017). Starting
            from one half, all of the last layer's few features are first spent on saying "no" to
            the background, and a rare class may never get one back.
        keep: The validation score by which the best model is kept; see `splittool.data.scores`.
    """

    options: dict[str, dict[str, Any]]
    dice: Literal["image", "batch"]
    hardest: float
    own: float
    schedule: Literal["constant", "onecycle"]
    learning_rate: float
    clip: float | None
    balance: bool
    window: int | None
    affine: bool
    average: bool
    standardise: bool
    prior: float | None
    keep: Literal["pooled_dice", "kaggle"]


RECIPES = {
    "balanced": Recipe(
        options={"unet": {"activation": "relu", "norm": "batch"}},
        dice="batch",
        hardest=0.02,
        own=0.2,
        schedule="onecycle",
        learning_rate=3e-3,
        clip=1.0,
        balance=True,
        window=256,
        affine=True,
        average=True,
        standardise=True,
        prior=0.02,
        keep="pooled_dice",
    ),
    "paper": Recipe(
        options={
            "unet": {"activation": "elu", "norm": "none"},
            "fcn32s": {"norm": "none"},
            "fcn16s": {"norm": "none"},
            "fcn8s": {"norm": "none"},
        },
        dice="image",
        hardest=1.0,
        own=0.0,
        schedule="constant",
        learning_rate=1e-3,
        clip=None,
        balance=False,
        window=None,
        affine=False,
        average=False,
        standardise=False,
        prior=None,
        keep="kaggle",
    ),
}


def make_settings(
    recipe: str = "balanced",
    network: Mapping[str, Any] | None = None,
    like: Sequence[Path] = (),
    **changes: Any,
) -> Settings:
    """Settings of a recipe, changed where a value is given that is not None.

    Args:
        recipe: Name of a recipe in `RECIPES`.
        network: Options of the network and their values, such as {"widths": [8, 16]}.
        like: Checkpoints: the options of the first of the same network stand for the recipe's.
        changes: Fields of `Settings` and their values.

    Raises:
        UsageError: The recipe, the network, one of its options or the precision is unknown.
        InputError: A checkpoint cannot be read.
    """
    if recipe not in RECIPES:
        raise UsageError(f"unknown recipe {recipe!r}; give one of: {', '.join(RECIPES)}")
    given = {name: value for name, value in changes.items() if value is not None}
    given = {name: tuple(v) if isinstance(v, tuple) else v for name, v in given.items()}
    base = Settings(recipe=recipe, learning_rate=RECIPES[recipe].learning_rate)
    settings = msgspec.structs.replace(base, **given)
    if settings.arch not in NETWORKS:
        raise UsageError(f"unknown network {settings.arch!r}; give one of: {', '.join(NETWORKS)}")
    if not 0 < settings.batch_size <= MOST_IMAGES:
        raise UsageError(
            f"`batch_size` {settings.batch_size} is out of range; give 1 to {MOST_IMAGES}"
        )
    if not 0 < settings.learning_rate < float("inf"):
        raise UsageError(
            f"`learning_rate` {settings.learning_rate:g} is out of range; give a number above 0"
        )
    settings = msgspec.structs.replace(
        settings,
        precision=spell_precision(settings.precision),
        options=_network_options(settings, network or {}, _usual_options(settings, like)),
    )
    return msgspec.structs.replace(settings, rate_weight=_rate_weight(settings))


def _rate_weight(settings: Settings) -> float | None:
    """What bits cost a network with a latent, whose latent has no size without a price.

    Raises:
        UsageError: The price or the target is out of range, or the network has no latent.
    """
    weight, target = settings.rate_weight, settings.target_bytes
    if not has_latent(settings.arch, settings.options):
        if weight is not None or target is not None:
            raise UsageError(
                "`rate_weight` and `target_bytes` are for a network with a latent, such as"
                f" splitnet; {settings.arch} has none; give it one with `at`"
            )
        return None
    if weight is not None and not 1e-3 <= weight <= 1e3:
        raise UsageError(f"`rate_weight` {weight:g} is out of range; give 0.001 to 1000")
    if target is not None and not FRAME_BYTES < target < float("inf"):
        raise UsageError(
            f"`target_bytes` {target:g} is out of range; a frame has {FRAME_BYTES} bytes without"
            " anything in it"
        )
    return WEIGHT if weight is None else weight


def _usual_options(settings: Settings, like: Sequence[Path]) -> dict[str, Any]:
    """Those of the first checkpoint of the same network, or else the recipe's.

    Raises:
        InputError: A checkpoint cannot be read.
    """
    for found in map(checkpoints.load, like):
        if found.arch == settings.arch:
            return found.options
    return RECIPES[settings.recipe].options.get(settings.arch, {})


def _network_options(
    settings: Settings, wanted: Mapping[str, Any], usual: Mapping[str, Any]
) -> dict[str, Any]:
    """The usual options with the user's changes, which the network can be built with.

    Raises:
        UsageError: The network has no such option, or does not take its value.
    """
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in wanted.items()
        if value is not None
    }
    known = options_of(settings.arch)
    for name in given:
        if name not in known:
            raise UsageError(
                f"`{name}` is not an option of {settings.arch}; it has: {', '.join(known)}"
            )
    for name, (least, most) in LISTS.items():
        if not all(least <= number <= most for number in given.get(name, ())):
            raise UsageError(f"`{name}` {given[name]}: give numbers from {least} to {most}")
    options = {**usual, **given}
    try:
        with torch.device("meta"):  # nothing is allocated
            network = build(settings.arch, 1, options)
    except ValueError as error:
        raise UsageError(f"{settings.arch} cannot be built: {error}") from None
    _require_memory(settings.arch, sum(weights.numel() for weights in network.parameters()))
    return options


def _require_memory(arch: str, weights: int) -> None:
    """Refuse a network whose weights, gradients and two moments of Adam have no room here.

    Raises:
        UsageError: They take more than all of the machine's memory.
    """
    needed, memory = weights * 4 * 4, psutil.virtual_memory().total
    if needed > memory:
        raise UsageError(
            f"this {arch} has {weights:,} weights; training it takes {needed / 1e9:,.0f} GB, and"
            f" this machine has {memory / 1e9:,.0f} GB; give smaller `widths`"
        )
