"""The results of an edge on disk: one line for each frame, from which a killed run goes on."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from errno import ENOSPC
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from splittool.errors import InputError, OutputError
from splittool.files import output_errors
from splittool.locks import locked

FILE_NAME = "results.jsonl"


class Heading(msgspec.Struct, frozen=True, tag_field="schema", tag="splittool.results/1"):
    """The first line: what the results are of.

    Attributes:
        cut: SHA-256 of the cut.json.
        classes: Names of the classes.
        source: The pictures.
        threshold: Probability from which a pixel belongs to a class.
    """

    cut: str
    classes: list[str]
    source: list[str]
    threshold: float


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one frame.

    Attributes:
        frame: Its number.
        name: Of its picture.
        how: "server", "edge" (the whole network, on the device) or "dropped" (late, and not sent).
        runs: Run lengths of each class that is in the picture, in Kaggle's form.
        height: Rows of the picture.
        width: Its columns.
        frame_bytes: Bytes of the frame.
        answer_bytes: Bytes of the answer.
        bits: Bits of an element in the frame; None where they differ.
        attempts: How often it was sent.
        latency_ms: From the picture's arrival to its masks.
        late: Whether that was more than the deadline.
    """

    frame: int
    name: str
    how: str
    runs: dict[str, str]
    height: int
    width: int
    frame_bytes: int
    answer_bytes: int
    bits: int | None
    attempts: int
    latency_ms: float
    late: bool = False


class Journal:
    """The file of results, open for one process.

    Args:
        folder: Where it is.
        heading: What its results are of.
        fresh: Begin anew, whatever is there.

    Raises:
        OutputError: It is of other pictures or another cut, in use, or cannot be written.
        InputError: It is damaged.

    Attributes:
        done: Frames that have their results.
    """

    def __init__(self, folder: Path, heading: Heading, fresh: bool = False) -> None:
        self.path = folder / FILE_NAME
        with ExitStack() as held:
            held.enter_context(
                locked(self.path, f"{self.path} is in use by another process; wait for it")
            )
            with output_errors(self.path):
                self._file = held.enter_context(self.path.open("ab+", buffering=0))
            if fresh:
                self._file.truncate(0)
            self.done = self._resume(heading)
            self._held = held.pop_all()  # until `close`; an error before here lets go at once

    def _resume(self, heading: Heading) -> int:
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
            found = msgspec.json.decode(first, type=Heading)
            frames = [msgspec.json.decode(line, type=Line).frame for line in lines]
        except msgspec.MsgspecError as error:
            raise InputError(f"{self.path} is damaged ({error}); begin anew with `force`") from None
        if found != heading:
            raise OutputError(
                f"{self.path} holds results of another cut, other pictures or another threshold;"
                " begin anew with `force`, or write elsewhere"
            )
        if frames != list(range(len(frames))):
            raise InputError(f"{self.path} lacks frames or has some twice; begin anew with `force`")
        return len(frames)

    def add(self, line: Line) -> None:
        """Write down one frame; it stays even if the process is killed.

        Raises:
            OutputError: It cannot be written; the journal is as before.
        """
        if line.frame != self.done:
            raise AssertionError(f"frame {line.frame} after {self.done}")
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
                yield msgspec.json.decode(line, type=Line)

    def close(self) -> None:
        """Let another process have it."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
