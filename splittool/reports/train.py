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
    settings: dict[str, Any]
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
