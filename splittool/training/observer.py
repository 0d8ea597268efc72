"""The events of a training run, besides its progress."""

from collections.abc import Sequence

from splittool.reports import EpochRecord


class Observer:
    """An observer that does nothing; override what you want to be told."""

    def run_begins(self, classes: Sequence[str], history: Sequence[EpochRecord]) -> None:
        """A run starts, or goes on after the epochs of `history`."""

    def step_done(self, loss: float) -> None:
        """One step is done."""

    def epoch_done(self, record: EpochRecord, is_best: bool) -> None:
        """An epoch is trained and validated."""

    def noted(self, text: str) -> None:
        """Something was done in another way than asked."""


class Observers(Observer):
    """Tells several observers, in their order.

    Args:
        observers: Whom to tell.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def run_begins(self, classes: Sequence[str], history: Sequence[EpochRecord]) -> None:
        """A run starts, or goes on after the epochs of `history`."""
        for observer in self._observers:
            observer.run_begins(classes, history)

    def step_done(self, loss: float) -> None:
        """One step is done."""
        for observer in self._observers:
            observer.step_done(loss)

    def epoch_done(self, record: EpochRecord, is_best: bool) -> None:
        """An epoch is trained and validated."""
        for observer in self._observers:
            observer.epoch_done(record, is_best)

    def noted(self, text: str) -> None:
        """Something was done in another way than asked."""
        for observer in self._observers:
            observer.noted(text)
