"""Where a command's words go: data to stdout, everything else to stderr."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from splittool.errors import OutputError, PipeClosedError

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text

    from splittool.reports import Report


@dataclass(frozen=True)
class Output:
    """How talkative a command is.

    Attributes:
        json: Print the JSON report even on a terminal.
        quiet: Nothing on stderr but errors.
        verbose: More on stderr.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False

    def note(self, message: str) -> None:
        """Tell the user something on stderr."""
        if not self.quiet:
            say(message)

    def detail(self, message: str) -> None:
        """Tell the user something on stderr if they want to know more."""
        if self.verbose:
            self.note(message)

    def emit(self, report: "Report", tables: Sequence["Table | Text | str"]) -> None:
        """Print a report: as tables on a terminal, as JSON elsewhere.

        Raises:
            OutputError: stdout is closed.
            PipeClosedError: Its reader went away.
        """
        if sys.stdout is None:
            raise OutputError("standard output is closed; redirect it to a file or /dev/null")
        if not self.json and sys.stdout.isatty():
            from rich.console import Console

            console = Console(highlight=False)
            for table in tables:
                console.print(table, markup=False, crop=False)
            return
        from splittool.reports import encode

        try:
            sys.stdout.buffer.write(encode(report))  # UTF-8, whatever the terminal's encoding
            sys.stdout.flush()
        except BrokenPipeError:  # Typer would turn it into exit code 1
            raise PipeClosedError from None

    @contextmanager
    def progress(self) -> Iterator["Progress"]:
        """A progress bar on stderr, with the time left; silent when stderr is no terminal."""
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        hidden = self.quiet or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as progress:
            yield progress


def say(message: str) -> None:
    """Print on stderr; when nobody can read it, go on without."""
    try:
        if sys.stderr is not None:
            print(message, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Point a stream at /dev/null: what is still buffered must not fail again at exit."""
    if stream is not None:
        with suppress(OSError):  # a caller's own stream may have no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def make_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1
) -> "Table":
    """A plain table: the first `texts` columns to the left, numbers to the right."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="", pad_edge=False
    )
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def verbatim(text: str) -> "Text":
    """Lines to copy: never broken, however narrow the terminal."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ignore")


def short(number: float | None, digits: int = 3) -> str:
    """A number with a fixed number of decimals; a dash for what is not known."""
    return "-" if number is None else f"{number:.{digits}f}"
