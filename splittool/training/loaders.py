"""Batches that other processes load; what happens to these is told in one line."""

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from splittool.errors import SplittoolError, TrainingError
from splittool.training.dataset import Item, Key, SegmentationDataset
from splittool.training.objective import Batch

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class BatchLoader:
    """Loads batches ahead, in processes that no signal meant for this one ends.

    Args:
        dataset: The images.
        batches: The keys of each batch.
        workers: Processes that load; 0 loads in this one.
    """

    def __init__(
        self,
        dataset: SegmentationDataset,
        batches: Sampler[list[Key]] | Sequence[list[Key]],
        workers: int,
    ) -> None:
        self._loader: DataLoader[Item | SplittoolError] = DataLoader(
            _Reported(dataset),
            batch_sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=_collate,
            worker_init_fn=_leave_signals_to_the_parent if workers else None,
            pin_memory=torch.cuda.is_available(),
        )

    def __iter__(self) -> Iterator[Batch]:
        """The batches.

        Raises:
            InputError: An image cannot be read any more.
            TrainingError: A process that loads images was killed.
        """
        with _signals_held_back():
            batches = iter(self._loader)
        while True:
            try:
                batch = next(batches, None)
            except (RuntimeError, EOFError, OSError) as error:
                killed = worker_error(error) if self._loader.num_workers else None
                raise killed or error from None
            if batch is None:
                return
            if isinstance(batch, SplittoolError):
                raise batch
            yield batch

    def close(self) -> None:
        """End the processes now, not when Python tidies up: a Ctrl-C then would show as its."""
        running: Any = self._loader._iterator
        if running is None or not hasattr(running, "_shutdown_workers"):  # nothing was started
            return
        try:
            running._shutdown_workers()
        finally:
            for worker in running._workers:
                worker.kill()  # as a rule it has ended


# What is raised by fetching tensors from a process that has just ended.
_CUT_OFF = (EOFError, ConnectionError, FileNotFoundError)


def worker_error(error: Exception) -> TrainingError | None:
    """What PyTorch raises, anywhere, when a process that loads images ends; None for all else."""
    if not isinstance(error, _CUT_OFF) and "DataLoader worker" not in str(error):
        return None
    return TrainingError(
        "a process that loads images was killed, perhaps because the memory ran out; train with"
        " fewer workers or a smaller batch"
    )


class _Reported(Dataset[Item | SplittoolError]):
    """A dataset that returns its errors: PyTorch would wrap what is raised in a traceback."""

    def __init__(self, dataset: SegmentationDataset) -> None:
        self._dataset = dataset

    def __getitem__(self, key: Key) -> Item | SplittoolError:
        try:
            return self._dataset[key]
        except SplittoolError as error:
            return error


def _collate(items: Iterable[Item | SplittoolError]) -> Batch | SplittoolError:
    """A batch of items, or the first error among them."""
    items = list(items)
    error = next((item for item in items if isinstance(item, SplittoolError)), None)
    if error is not None:
        return error
    pixels, masks, sizes = default_collate(items)
    return pixels, masks, sizes


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold signals back while processes are made, which inherit that.

    Otherwise one that comes before a process has said what to do with it ends it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ignore what ends a group of processes: the parent ends this one once the state is saved."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    torch.set_num_threads(1)
