"""What Ctrl-C and SIGTERM do to the command: they end it, in one line, wherever it is."""

import os
import signal
import sys
import threading
from types import FrameType

from splittool.errors import ExitCode, StoppedError

_ENDS = {
    signal.SIGINT: ("interrupted", ExitCode.INTERRUPTED),
    signal.SIGTERM: ("terminated", ExitCode.TERMINATED),
}
_received: list[int] = []


def end_on_signals() -> None:
    """Let the first signal raise what ends the command in good order, and a second end it at once.

    While modules load, the first one ends it at once, too: nothing is being written then, and an
    exception might be taken for a module that is not there, or be lost in one that is.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # Python handles signals nowhere else
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in the background of a shell
            signal.signal(number, _act)
    sys.unraisablehook = _not_lost


def leave_on_signals() -> None:
    """Let a signal end the command at once: all is said, and Python is only tidying up."""
    _received.append(0)


def _act(number: int, frame: FrameType | None) -> None:
    first = not _received
    _received.append(number)
    if not first or _is_importing(frame):
        _leave(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise StoppedError(*_ENDS[signal.SIGTERM])


def _not_lost(unraisable: "sys.UnraisableHookArgs") -> None:
    """End the command where Python would print and forget what a signal raised: in a destructor."""
    if isinstance(unraisable.exc_value, KeyboardInterrupt | StoppedError) and _received:
        _leave(_received[-1])
    sys.__unraisablehook__(unraisable)


def _leave(number: int) -> None:
    word, code = _ENDS[signal.Signals(number)]
    if 0 not in _received:
        os.write(2, f"splittool: {word}\n".encode())
    os._exit(code)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
