"""The epochs of a run as TensorBoard's event files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from splittool.errors import MissingExtraError, OutputError
from splittool.files import output_errors
from splittool.reports import EpochRecord
from splittool.training.distributed import is_first
from splittool.training.observer import Observer

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_SCORES = ("loss", "dice", "pooled_dice", "kaggle", "bytes_per_frame")
_RUN = ("learning_rate", "rate_weight", "images_per_second")


class EventLog(Observer):
    """Writes a point per epoch, whose step is the epoch's number.

    Args:
        writer: Tells TensorBoard to forget what earlier files of its folder say: they are those of
            the run that is resumed, or of one that is replaced.
        folder: The writer's folder.
    """

    def __init__(self, writer: "SummaryWriter", folder: Path) -> None:
        self._writer, self._folder = writer, folder
        self._classes: Sequence[str] = ()

    def run_begins(self, classes: Sequence[str], history: Sequence[EpochRecord]) -> None:
        """Write the epochs before this start again: a killed run may not have got to that."""
        self._classes = classes
        for record in history:
            self.epoch_done(record, is_best=False)

    def epoch_done(self, record: EpochRecord, is_best: bool) -> None:
        """Write what was measured; what was not has no point."""
        points = {name: getattr(record, name) for name in _RUN}
        for part in ("train", "validation"):
            scores = getattr(record, part)
            points |= {f"{name}/{part}": getattr(scores, name) for name in _SCORES}
            each = zip(self._classes, scores.dice_per_class, strict=True)
            points |= {f"dice_of_{name}/{part}": value for name, value in each}
        with output_errors(self._folder):
            for tag, value in points.items():
                if value is not None:
                    self._writer.add_scalar(tag, value, record.epoch)
            self._writer.flush()


@contextmanager
def event_log(folder: Path | None, replaces: bool) -> Iterator[Observer]:
    """An observer that writes event files into a folder.

    Of several processes that train together the first one writes them; without a folder, nobody.

    Args:
        folder: One folder for each run; it is made where it is missing.
        replaces: Whether the run goes on with, or replaces, the one whose events are there.

    Raises:
        MissingExtraError: TensorBoard is not installed.
        OutputError: The folder cannot be written, or holds the events of another run.
    """
    if folder is None:
        yield Observer()
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        raise MissingExtraError(
            "`log_dir` needs tensorboard, which is not installed:"
            " pip install 'splittool[tensorboard]'"
        ) from None
    if not is_first():
        yield Observer()
        return
    if not replaces and any(folder.glob("events.out.tfevents.*")):
        raise OutputError(
            f"{folder} holds the events of another run; give another `log_dir`, `resume` to go on"
            " with that run, or `force` to replace it"
        )
    with output_errors(folder):
        writer = SummaryWriter(str(folder), purge_step=1)
    try:
        yield EventLog(writer, folder)
    finally:
        writer.close()
