"""The results of an edge on disk: one line for each frame, from which a killed run goes on."""

from pathlib import Path

import msgspec

from splittool.errors import InputError
from splittool.journal import Journal

FILE_NAME = "results.jsonl"

_FIX = "begin anew with `force`"


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


class Results(Journal[Line]):
    """The file of results of one edge, in the order of the frames.

    Args:
        folder: Where it is.
        heading: What its results are of.
        fresh: Begin anew, whatever is there.

    Raises:
        OutputError: It is of other pictures or another cut, in use, or cannot be written.
        InputError: It is damaged.
    """

    def __init__(self, folder: Path, heading: Heading, fresh: bool = False) -> None:
        super().__init__(folder / FILE_NAME, heading, Line, _FIX, fresh)

    def check(self, lines: list[Line]) -> None:
        """Find frames that are missing, or there twice.

        Raises:
            InputError: There are such.
        """
        if [line.frame for line in lines] != list(range(len(lines))):
            raise InputError(f"{self.path} lacks frames or has some twice; {_FIX}")

    def of_others(self) -> str:
        """What to say of one with another heading."""
        return "holds results of another cut, other pictures or another threshold"

    def add(self, line: Line) -> None:
        """Write down the next frame; it stays even if the process is killed.

        Raises:
            OutputError: It cannot be written; the journal is as before.
        """
        if line.frame != self.done:
            raise AssertionError(f"frame {line.frame} after {self.done}")
        super().add(line)
