"""Outputs that one process at a time writes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from splittool.errors import OutputError
from splittool.files import output_errors


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out of an output, by a hidden file beside it.

    Args:
        path: The output; it may be there or not.
        refusal: The message if another process has it.

    Raises:
        OutputError: Another process has it, or the hidden file cannot be made.
    """
    lock = FileLock(path.with_name(f".{path.stem}.lock"), blocking=False)
    with output_errors(Path(lock.lock_file)):
        try:
            lock.acquire()
        except Timeout:
            raise OutputError(refusal) from None
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink()  # while it is held: who waits for it sees that it is gone
        lock.release()
