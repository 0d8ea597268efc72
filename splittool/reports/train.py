"""A finished training run, and the records of its epochs."""

from typing import TYPE_CHECKING, Any

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class PartRecord(msgspec.Struct, frozen=True):
    """Loss and scores of the training or the validation part; see `splittool.data.scores`.

    `loss` is null in JSON where it was not a finite number. `bytes_per_frame` is what training
    makes of a frame of a network with a latent, header included; null for other networks.
    """

    loss: float | None
    kaggle: float
    floor: float
    dice: float | None
    pooled_dice: float | None
    dice_per_class: list[float | None]
    pairs: int
    defective_pairs: int
    bytes_per_frame: float | None = None


class EpochRecord(msgspec.Struct, frozen=True):
    """One epoch: its scores, and its speed.

    `seconds` is the time of the training steps alone; `rate_weight` is lambda, what a bit per pixel
    adds to the loss, where bytes have a price.
    """

    epoch: int
    learning_rate: float
    train: PartRecord
    validation: PartRecord
    seconds: float
    seconds_per_step: float
    images_per_second: float
    rate_weight: float | None = None


class TrainingSettings(msgspec.Struct, frozen=True):
    """Everything that decides the outcome of a run; a resumed run must have the same.

    Attributes:
        arch: Name of the network.
        recipe: Name of the recipe.
        options: Options of the network: the recipe's, with the user's changes.
        epochs: Passes over the training part.
        batch_size: Images per step, over all processes together.
        learning_rate: Learning rate of Adam; the peak value when a schedule is used.
        seed: Seed of the weights, the partition, the order and the augmentation.
        augment: Whether images are flipped, lit and, where the recipe says so, warped at random.
        precision: "fp32", "bf16" or "fp16", the type that the network computes in; "auto" until
            the run starts.
        validation: Share of the images that is held out.
        size: (height, width) to resize to, or None to pad to the network's stride.
        crop: (height, width) of the random windows trained on, or None for whole images; before the
            run starts None is the recipe's choice.
        jpeg: Lowest and highest JPEG quality that training images go through, or None.
        backbone: SHA-256 of the weights that the backbone started from, or None.
        start: SHA-256 of the checkpoint that the weights started from, or None.
        rate_weight: Lambda: what one bit per pixel adds to the loss, of a network with a latent;
            with a target where the search for it starts. None for other networks.
        target_bytes: Bytes of a frame, header included, that the weight is adjusted to, or None.
        teachers: SHA-256 of the checkpoints that it learns from beside the masks.
    """

    arch: str = "unet"
    recipe: str = "balanced"
    options: dict[str, Any] = msgspec.field(default_factory=dict)
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
    rate_weight: float | None = None
    target_bytes: float | None = None
    teachers: list[str] = msgspec.field(default_factory=list)


class TrainReport(Report, tag="splittool.train/1"):
    """A finished training run.

    `best` is the epoch that the model was taken from; with a latent that is the last one, and
    `bytes_per_frame` are those of a held-out image, header included, as codec `learned` codes it.
    """

    folder: str
    model: FileRecord
    history: str
    validation_list: str
    curves: str | None
    settings: TrainingSettings
    device: str
    processes: int
    classes: list[str]
    height: int
    width: int
    fit: str
    training_images: int
    validation_images: int
    epochs: int
    seconds: float
    seconds_per_step: float
    best: EpochRecord
    last: EpochRecord
    bytes_per_frame: float | None = None

    def tables(self) -> "Sequence[RenderableType]":
        """The scores of the best epoch on the validation part."""
        best = self.best.validation
        rows = [
            ["Dice over defective pairs", short(best.dice)],
            *(
                [f"  class {name}", short(value)]
                for name, value in zip(self.classes, best.dice_per_class, strict=True)
            ),
            ["Dice over all pixels of a class", short(best.pooled_dice)],
            ["Kaggle metric", short(best.kaggle)],
            ["  its floor (nothing predicted)", short(best.floor)],
            ["loss", short(best.loss)],
            *(
                [["bytes of a frame, codec learned", f"{self.bytes_per_frame:.1f}"]]
                if self.bytes_per_frame is not None
                else []
            ),
            ["images, training + validation", f"{self.training_images} + {self.validation_images}"],
            ["input", f"{self.height}x{self.width} ({self.fit})"],
            ["seconds per step", short(self.seconds_per_step)],
        ]
        title = f"{self.model.path}: best of {self.epochs} epochs is {self.best.epoch}"
        return [make_table(title, ["validation", "value"], rows)]
