"""A finished training run."""

from typing import Any

from splittool.reports.base import FileRecord, Report


class TrainReport(Report, tag="splittool.train/1"):
    """A finished training run; `best` is the epoch that the model was taken from."""

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
    best: dict[str, Any]
    last: dict[str, Any]
