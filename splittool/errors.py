"""Every error splittool raises on purpose, and the exit code each one becomes.

A message is one line: the file or option at fault, the cause, and the fix. It names an option as
Python does, in backquotes (`max_dice_loss`); the command line spells it --max-dice-loss.
"""

from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    NO_DEVICE = 4
    THRESHOLD = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


class SplittoolError(Exception):
    """The base of all expected failures."""

    exit_code = ExitCode.FAILED


class OutputError(SplittoolError):
    """An output exists, or cannot be written."""


class VerificationError(SplittoolError):
    """Head and tail together do not compute what the whole network does.

    Attributes:
        report: What was found of all cuts, where several were verified.
    """

    def __init__(self, message: str, report: Any = None) -> None:
        super().__init__(message)
        self.report = report


class TrainingError(SplittoolError):
    """Training cannot go on: the loss is not a number, or the state does not fit the settings."""


class MissingExtraError(SplittoolError):
    """An optional dependency is not installed."""


class UsageError(SplittoolError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class InputError(SplittoolError):
    """A file or folder given to us is missing, damaged or not what it should be."""

    exit_code = ExitCode.BAD_INPUT


class NoMapsError(InputError):
    """A network puts out something else than one map of the image's size for each class."""


class UncalibratedError(InputError):
    """There are no calibrated ranges for this cut, or not for these bits."""


class FrameError(InputError):
    """Bytes from the link are not a frame of this cut."""


class DamagedFrameError(FrameError):
    """The bytes are not those that were sent: a checksum differs."""


class OtherCutError(FrameError):
    """The bytes are a frame, or look like one, and of another cut, calibration or model."""


class DeviceError(SplittoolError):
    """The device or server asked for is not there."""

    exit_code = ExitCode.NO_DEVICE


class ThresholdError(SplittoolError):
    """The work was done, and a limit asked for was not met."""

    exit_code = ExitCode.THRESHOLD


class PipeClosedError(SplittoolError):
    """Whoever read standard output went away; there is nobody to tell."""

    exit_code = ExitCode.PIPE_CLOSED


class StoppedError(SplittoolError):
    """A signal ended the work early; what was done is saved.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
