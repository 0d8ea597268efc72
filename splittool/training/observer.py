"""What a training run tells whoever watches it."""

from typing import Any


class Observer:
    """Does nothing; a progress bar overrides what it shows."""

    def checking(self, images: int) -> None:
        """Every image is about to be read once."""

    def checked(self) -> None:
        """One image has been read."""

    def epoch_started(self, epoch: int, done: int, steps: int) -> None:
        """Training of an epoch starts, with `done` of its `steps` behind it."""

    def step_done(self, loss: float) -> None:
        """One step is done."""

    def epoch_done(self, record: dict[str, Any], is_best: bool) -> None:
        """An epoch is trained and validated."""
