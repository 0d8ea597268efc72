"""From images to a trained network."""

from typing import Any

from splittool.reports.base import FileRecord, Report


class SynthReport(Report, tag="splittool.synth/1"):
    """A folder of synthetic steel."""

    folder: str
    images: int
    clean_images: int
    height: int
    width: int
    seed: int
    images_per_class: dict[str, int]
    pixel_share_per_class: dict[str, float]


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
