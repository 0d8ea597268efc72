"""The state of a training run between two steps, and its file."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from splittool.data import scores
from splittool.data.images import Canvas
from splittool.errors import InputError, TrainingError
from splittool.files import write_bytes
from splittool.models import checkpoints
from splittool.models.checkpoints import PartitionRecord
from splittool.reports import EpochRecord
from splittool.training.rate import RateState
from splittool.training.settings import Settings


class Identity(Settings, frozen=True, kw_only=True):
    """What must be the same for a resumed run to end as if it had never been stopped."""

    classes: list[str]
    canvas: Canvas
    split: PartitionRecord

    def content(self) -> dict[str, Any]:
        """The plain values of a state's file."""
        return {
            **msgspec.structs.asdict(self),
            "canvas": asdict(self.canvas),
            "split": msgspec.to_builtins(self.split),
        }


class Position(msgspec.Struct):
    """Where in a run it is, and the sums over the steps of this epoch.

    Attributes:
        epoch: The epoch, from 1.
        step: Steps done in it.
        loss_sum: Their losses.
        tally: (C, TALLY) sums of Dice; see `splittool.data.scores`.
        seconds: The time they took.
        bytes_sum: Their bytes of a frame, where bytes have a price.
    """

    epoch: int
    step: int
    loss_sum: float
    tally: Tensor
    seconds: float
    bytes_sum: float = 0.0

    @staticmethod
    def at(epoch: int, classes: int) -> "Position":
        """The start of an epoch."""
        return Position(epoch, 0, 0.0, torch.zeros(classes, scores.TALLY, dtype=torch.float64), 0.0)


class TrainingState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run needs to go on; the dictionaries are those of PyTorch's objects."""

    identity: Identity
    progress: Position
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    scaler: dict[str, Any]
    history: list[EpochRecord]
    best: float
    average: dict[str, Tensor] | None = None
    rate: RateState | None = None

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        content = {
            "format": checkpoints.STATE,
            **msgspec.structs.asdict(self),
            "identity": self.identity.content(),
            "progress": msgspec.structs.asdict(self.progress),
            "rate": msgspec.to_builtins(self.rate),
            "history": [msgspec.to_builtins(record) for record in self.history],
        }
        checkpoints.write(path, content)

    def require(self, path: Path, identity: Identity) -> None:
        """Refuse to go on with other settings or other images.

        Raises:
            TrainingError: The state belongs to another run.
        """
        for field in msgspec.structs.fields(Identity):
            was, now = getattr(self.identity, field.name), getattr(identity, field.name)
            if was != now:
                raise TrainingError(
                    f"cannot resume {path}: {field.name} was {_brief(was)} and is now"
                    f" {_brief(now)}; give the same settings and images, or start anew"
                    " with `force`"
                )


def load_state(path: Path) -> TrainingState:
    """Read the state of a run that stopped.

    Raises:
        InputError: The file is missing, damaged, incomplete or of another kind.
    """
    content = checkpoints.read(path, checkpoints.STATE)
    try:
        return msgspec.convert(content, TrainingState)
    except msgspec.ValidationError as error:
        raise unusable(path, error) from None


def unusable(path: Path, cause: object) -> InputError:
    """The error of a state that is not whole."""
    first_line = str(cause).partition("\n")[0][:100]
    return InputError(f"{path} is not a whole training state ({first_line}); start anew: `force`")


def require_like(found: Mapping[str, Any], own: Mapping[str, Any], what: str) -> None:
    """Check that a dictionary has the keys of another, with values of the same kinds.

    PyTorch's schedulers take whatever they are given, and fail steps later.

    Raises:
        ValueError: It has not.
    """
    for name, value in own.items():
        if name not in found:
            raise ValueError(f"{what} lacks {name}")
        if not isinstance(found[name], _kinds(value)):
            raise ValueError(f"{what} has a {type(found[name]).__name__} for {name}")


def _kinds(value: object) -> tuple[type, ...]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value),)
    return (int, float)


def write_history(path: Path, history: list[EpochRecord]) -> None:
    """Write one JSON line per epoch, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    lines = "".join(json.dumps(msgspec.to_builtins(record)) + "\n" for record in history)
    write_bytes(path, lines.encode())


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
