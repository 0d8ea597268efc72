"""The events of a training run, besides its progress."""

from splittool.reports import EpochRecord


class Observer:
    """An observer that does nothing; override what you want to be told."""

    def step_done(self, loss: float) -> None:
        """One step is done."""

    def epoch_done(self, record: EpochRecord, is_best: bool) -> None:
        """An epoch is trained and validated."""

    def noted(self, text: str) -> None:
        """Something was done in another way than asked."""
