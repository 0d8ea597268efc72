"""How long work tells whoever waits for it how far it is."""

from collections.abc import Callable
from itertools import count
from typing import Protocol


class Progress(Protocol):
    """A function that is told how far some work is; `nobody` is one that does not care."""

    def __call__(self, done: float, total: float, what: str) -> None:
        """Take note.

        Args:
            done: Steps behind us, 0 to `total`.
            total: All steps.
            what: What is being done, such as "images"; it may change with every call.
        """


def nobody(done: float, total: float, what: str) -> None:
    """Progress that nobody looks at."""


def counter(progress: Progress, total: int, what: str) -> Callable[[], None]:
    """A function to call after each of `total` steps."""
    done = count(1)
    progress(0, total, what)
    return lambda: progress(next(done), total, what)
