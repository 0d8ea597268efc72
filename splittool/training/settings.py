"""What a training run is made of, and the recipes that fill it in."""

from dataclasses import dataclass, field
from typing import Any, Literal

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class Recipe:
    """How to train, beside what the paper fixes for everyone (Adam, BCE + Dice).

    Attributes:
        options: Options of each network that are not its defaults.
        dice: "image" takes the Dice term for each image and class, as the paper's equation reads.
            "batch" takes it for each class over the whole batch: an image without the class then
            says little, where it would otherwise pull all predictions to zero.
        schedule: "constant", or "onecycle": warm-up, then a cosine down to zero.
        learning_rate: Of Adam; the peak, with a schedule.
        balance: Show images of rare classes more often.
        standardise: Normalise by the training images' mean and deviation instead of 0 and 255.
        prior: Probability that an untrained network gives every pixel (Lin et al., 2017). Starting
            from one half, all of the last layer's few features are first spent on saying "no" to
            the background, and a rare class may never get one back.
        keep: The validation score by which the best model is kept; see `splittool.data.scores`.
    """

    options: dict[str, dict[str, Any]]
    dice: Literal["image", "batch"]
    schedule: Literal["constant", "onecycle"]
    learning_rate: float
    balance: bool
    standardise: bool
    prior: float | None
    keep: Literal["pooled_dice", "kaggle"]


RECIPES = {
    "balanced": Recipe(
        options={"unet": {"activation": "relu", "norm": "batch"}},
        dice="batch",
        schedule="onecycle",
        learning_rate=3e-3,
        balance=True,
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
        schedule="constant",
        learning_rate=1e-3,
        balance=False,
        standardise=False,
        prior=None,
        keep="kaggle",
    ),
}


@dataclass(frozen=True)
class Settings:
    """Everything that decides the outcome of a run; a resumed run must have the same.

    Attributes:
        arch: Name of the network.
        recipe: Name in `RECIPES`.
        options: The recipe's network options, with the user's changes.
        epochs: Passes over the training part.
        batch_size: Images per step, over all processes together.
        learning_rate: Of Adam; the peak, with a schedule.
        seed: Of the weights, the split, the order and the augmentation.
        augment: Random flips and lighting changes.
        precision: "fp32", or the type of mixed precision.
        validation: Share of images held out.
        size: (height, width) to resize to, or None to pad to the network's stride.
        crop: (height, width) of the random windows trained on, or None for whole images.
        jpeg: Lowest and highest quality of JPEG that training images go through, or None.
        backbone: SHA-256 of the weights that the backbone started from, or None.
        start: SHA-256 of the checkpoint that the weights started from, or None.
    """

    arch: str = "unet"
    recipe: str = "balanced"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 100
    batch_size: int = 4
    learning_rate: float = 1e-3
    seed: int = 0
    augment: bool = True
    precision: str = "fp32"
    validation: float = 0.2
    size: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None
    jpeg: tuple[int, int] | None = None
    backbone: str | None = None
    start: str | None = None
