"""Bits by the measured link: as many as the frame rate asked for leaves room for."""

from collections import deque
from collections.abc import Sequence
from threading import Lock
from time import perf_counter

_WINDOW = 2.0  # seconds over which a rate is measured
_SETTLE = 1.5  # seconds after a change before its effect is judged
_FIRST_RISE, _LAST_RISE = 4.0, 60.0  # seconds without trouble before more bits are tried


class PrecisionControl:
    """Chooses the bits of the next frame; threads may share it.

    Whenever frames queue up and fewer than `fps` a second are answered, the next frames have fewer
    bits. After some seconds without that, more are tried; each time that proves wrong, the next try
    waits twice as long.

    Args:
        ladder: Bits to choose from.
        fps: Frames a second that are wanted.

    Attributes:
        bits: What to send with now.
    """

    def __init__(self, ladder: Sequence[int], fps: float) -> None:
        self._ladder, self._fps = sorted(ladder), fps
        self._step = len(self._ladder) - 1
        self._answered: deque[float] = deque()
        self._began = self._changed = self._calm = perf_counter()
        self._rise = _FIRST_RISE
        self._lock = Lock()

    @property
    def bits(self) -> int:
        """What to send with now."""
        return self._ladder[self._step]

    def answered(self, is_full: bool, now: float | None = None) -> None:
        """Take note of an answer.

        Args:
            is_full: Whether as many frames were waiting as there is room for.
            now: The time, by `perf_counter`.
        """
        now = perf_counter() if now is None else now
        with self._lock:
            self._answered.append(now)
            while self._answered[0] < now - _WINDOW:
                self._answered.popleft()
            if now - self._changed < _SETTLE or now - self._began < _SETTLE:
                return
            span = min(_WINDOW, now - self._changed)
            rate = sum(each > now - span for each in self._answered) / span
            if is_full and rate < 0.95 * self._fps:
                self._fall(now)
            elif is_full:
                self._calm = now
            elif now - self._calm > self._rise and self._step < len(self._ladder) - 1:
                self._step += 1
                self._changed = self._calm = now

    def _fall(self, now: float) -> None:
        if self._step:
            self._step -= 1
        recent = now - self._changed < 2 * _SETTLE + _WINDOW
        self._rise = min(2 * self._rise, _LAST_RISE) if recent else self._rise
        self._changed = self._calm = now
