"""A function that runs the whole training on the tiny data."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch

from splittool.training.distributed import World
from splittool.training.loop import Outputs
from splittool.training.observer import Observer
from splittool.training.run import make_settings, train


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

    def epoch_done(self, record: dict[str, Any], is_best: bool) -> None:
        if is_best:
            self.best.append(record["epoch"])


class RunTraining(Protocol):
    def __call__(
        self,
        outputs: Outputs,
        recipe: str = ...,
        observer: Observer | None = ...,
        resume: bool = ...,
        workers: int = ...,
        folder: Path | None = ...,
        network: dict[str, Any] | None = ...,
        start: Path | None = ...,
        **changes: Any,
    ) -> dict[str, Any]: ...


@pytest.fixture(scope="session")
def run_training(steel: Path) -> RunTraining:
    def run(
        outputs: Outputs,
        recipe: str = "balanced",
        observer: Observer | None = None,
        resume: bool = False,
        workers: int = 0,
        folder: Path | None = None,
        network: dict[str, Any] | None = None,
        start: Path | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        settings = make_settings(recipe, {"epochs": 2, **changes})
        options = {**settings.options, **(network or {"widths": [4, 6], "bottleneck": 8})}
        settings = replace(settings, options=options)
        world = World(0, 1, torch.device("cpu"))
        watched = observer or Observer()
        return train(
            folder or steel, settings, outputs, world, watched, workers, resume, start=start
        )

    return run


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs.beside(tmp_path / "net.pt")


@pytest.fixture(scope="session")
def stop_after() -> type[StopAfter]:
    return StopAfter
