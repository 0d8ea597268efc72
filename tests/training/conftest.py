"""A function that runs the whole training on the tiny data."""

import json
import signal
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from splittool.progress import Progress, nobody
from splittool.reports import EpochRecord, TrainReport
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.run import TrainingOptions, train
from splittool.training.settings import make_settings


class StopAfter(Observer):
    """Sends this process a signal after a number of steps."""

    def __init__(self, steps: int | None, number: int = signal.SIGINT) -> None:
        self.left = steps
        self.number = number
        self.losses: list[float] = []
        self.best: list[int] = []

    def step_done(self, loss: float) -> None:
        self.losses.append(loss)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(self.number)

    def epoch_done(self, record: EpochRecord, is_best: bool) -> None:
        if is_best:
            self.best.append(record.epoch)


class RunTraining(Protocol):
    def __call__(
        self,
        outputs: Outputs,
        recipe: str = ...,
        observer: Observer | None = ...,
        options: TrainingOptions | None = ...,
        folder: Path | None = ...,
        network: dict[str, Any] | None = ...,
        **changes: Any,
    ) -> TrainReport: ...


@pytest.fixture(scope="session")
def run_training(steel: Path) -> RunTraining:
    def run(
        outputs: Outputs,
        recipe: str = "balanced",
        observer: Observer | None = None,
        options: TrainingOptions | None = None,
        folder: Path | None = None,
        network: dict[str, Any] | None = None,
        progress: Progress = nobody,
        **changes: Any,
    ) -> TrainReport:
        tiny = network or {"widths": [4, 6], "bottleneck": 8}
        settings = make_settings(recipe, tiny, **{"epochs": 2, "precision": "f32", **changes})
        chosen = options or TrainingOptions(workers=0)
        return train(folder or steel, outputs.model, settings, chosen, progress, observer)

    return run


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs.beside(tmp_path / "net.pt")


@pytest.fixture(scope="session")
def stop_after() -> type[StopAfter]:
    return StopAfter


@pytest.fixture(scope="session")
def history_of() -> Any:
    """A function that reads the history of a run."""

    def read(outputs: Outputs) -> list[EpochRecord]:
        with outputs.history.open() as file:
            return [msgspec.convert(json.loads(line), EpochRecord) for line in file]

    return read
