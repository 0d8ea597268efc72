"""Ctrl-C and SIGTERM as a flag, for work that wants to save what it has."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from splittool.errors import ExitCode


class Interrupt:
    """While entered, the first signal only sets `exit_code`; a second Ctrl-C acts as usual.

    Outside the main thread, where Python handles no signals, nothing is changed.

    Args:
        then: Called at the first signal, to wake up whoever waits.

    Attributes:
        exit_code: None until a signal arrives, then what the process should exit with.
    """

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self._then = then
        self.exit_code: ExitCode | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code is not None:
            raise KeyboardInterrupt
        self.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        if self._then is not None:
            self._then()
