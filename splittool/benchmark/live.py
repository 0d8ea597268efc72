"""Progress of a benchmark: a bar that fills with time or frames, and the current rate."""

from pathlib import Path

from splittool.benchmark.options import Schedule
from splittool.progress import Progress


class LiveRate:
    """Turns what a running measurement says into progress.

    Args:
        progress: Told the seconds or frames done, and the current FPS with its change since the
            start of the turn.
        schedule: What is measured in one round.
        turns: Measurements in all rounds together.
    """

    def __init__(self, progress: Progress, schedule: Schedule, turns: int) -> None:
        self._progress = progress
        self._counts_frames = schedule.iterations is not None
        self._one = schedule.iterations or schedule.seconds
        self._turns = turns
        self._turn = 0
        self._name = ""
        self._last = (0.0, 0)
        self._first_rate = 0.0

    def start(self, name: str) -> None:
        """The next measurement starts."""
        self._turn += 1
        self._name = Path(name).name[:20]
        self._last = (0.0, 0)
        self._first_rate = 0.0

    def tick(self, seconds: float, frames: int) -> None:
        """Take note of the seconds and frames of this turn, about twice a second."""
        before_s, before = self._last
        rate = (frames - before) / max(seconds - before_s, 1e-9)
        self._last = (seconds, frames)
        self._first_rate = self._first_rate or rate
        change = rate / self._first_rate - 1 if self._first_rate else 0.0
        done = min(frames if self._counts_frames else seconds, self._one)
        self._progress(
            round((self._turn - 1) * self._one + done, 1),  # a bar shows all digits it is given
            round(self._turns * self._one, 1),
            f"{self._name} {rate:7.1f} FPS {change:+6.1%}",
        )
