"""Results on disk as they come, one line of JSON each, from which a killed run goes on."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from errno import ENOSPC
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from splittool.errors import InputError, OutputError
from splittool.files import output_errors
from splittool.locks import locked

Line = TypeVar("Line", bound=msgspec.Struct)


class Journal(Generic[Line]):
    """A file of results, open for one process.

    Args:
        path: The file; it may be there or not.
        heading: The first line: what the results are of.
        line: Type of the other lines.
        fix: What to do about one that is damaged or of something else, for the message.
        fresh: Begin anew, whatever is there.

    Raises:
        OutputError: It is of something else, in use, or cannot be written.
        InputError: It is damaged.

    Attributes:
        path: The file.
        done: How many results it has.
    """

    def __init__(
        self, path: Path, heading: msgspec.Struct, line: type[Line], fix: str, fresh: bool = False
    ) -> None:
        self.path, self._type, self._fix = path, line, fix
        with ExitStack() as held:
            held.enter_context(locked(path, f"{path} is in use by another process; wait for it"))
            with output_errors(path):
                self._file = held.enter_context(path.open("ab+", buffering=0))
            if fresh:
                self._file.truncate(0)
            self.done = self._resume(heading)
            self._held = held.pop_all()  # until `close`; an error before here lets go at once

    def _resume(self, heading: msgspec.Struct) -> int:
        """Check what is there, and cut off a line that a killed process left unfinished."""
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) != len(content):
            with output_errors(self.path):
                self._file.truncate(len(whole))
        first, *lines = whole.splitlines() or [b""]
        if not first:
            self._write(heading)
            return 0
        try:
            found = msgspec.json.decode(first, type=type(heading))
            self.check([msgspec.json.decode(line, type=self._type) for line in lines])
        except msgspec.MsgspecError as error:
            raise InputError(f"{self.path} is damaged ({error}); {self._fix}") from None
        if found != heading:
            raise OutputError(f"{self.path} {self.of_others()}; {self._fix}, or write elsewhere")
        return len(lines)

    def check(self, lines: list[Line]) -> None:
        """Find what is wrong with the lines together.

        Raises:
            InputError: Something is.
        """

    def of_others(self) -> str:
        """What to say of one with another heading."""
        return "holds results of something else"

    def add(self, line: Line) -> None:
        """Write down one result; it stays even if the process is killed.

        Raises:
            OutputError: It cannot be written; the journal is as before.
        """
        self._write(line)
        self.done += 1

    def _write(self, record: msgspec.Struct) -> None:
        end = self._file.seek(0, os.SEEK_END)
        with output_errors(self.path):
            try:
                data = msgspec.json.encode(record) + b"\n"
                if self._file.write(data) != len(data):
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
                os.fdatasync(self._file.fileno())
            except OSError:
                os.ftruncate(self._file.fileno(), end)
                raise

    def lines(self) -> Iterator[Line]:
        """All results so far."""
        with self.path.open("rb") as file:
            next(file)
            for line in file:
                yield msgspec.json.decode(line, type=self._type)

    def close(self) -> None:
        """Let another process have it."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
