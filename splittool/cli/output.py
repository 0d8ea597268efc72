"""Where a command's words go: data to stdout, everything else to stderr."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from splittool.errors import OutputError, PipeClosedError
from splittool.tables import printable

if TYPE_CHECKING:
    from splittool.progress import Progress
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

    def log_json(self, name: str) -> None:
        """Write a logger's records on stderr, one JSON object for each; warnings only if quiet."""
        import logging

        from splittool.serving.observation import JsonLines

        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.WARNING if self.quiet else logging.INFO)

    def emit(self, report: "Report", kept: bool = False, **how: Any) -> None:
        """Print a report: as tables on a terminal, as JSON elsewhere.

        Args:
            report: What the command found.
            kept: The report is in a file already, so what is printed is for a person.
            how: How its tables are to be drawn; see the report's `tables`.

        Raises:
            OutputError: stdout is closed.
            PipeClosedError: Its reader went away.
        """
        if sys.stdout is None:
            raise OutputError("standard output is closed; redirect it to a file or /dev/null")
        try:
            if not self.json and (kept or sys.stdout.isatty()):
                from rich.console import Console

                console = Console(highlight=False)
                for table in report.tables(**how):
                    console.print(table, markup=False, crop=False)
            else:
                from splittool.reports.base import encode

                sys.stdout.buffer.write(encode(report))  # UTF-8, whatever the terminal's encoding
            sys.stdout.flush()
        except BrokenPipeError:  # Typer would turn it into exit code 1
            raise PipeClosedError from None

    @contextmanager
    def progress(self) -> "Iterator[Progress]":
        """A progress bar on stderr, with the time left; silent when stderr is not a terminal."""
        from tqdm import tqdm

        hidden = self.quiet or sys.stderr is None or not sys.stderr.isatty()
        size = {} if hidden else _bar_size()
        with tqdm(file=sys.stderr, disable=hidden, leave=False, **size) as bar:

            def show(done: float, total: float, what: str) -> None:
                if hidden:
                    return
                if bar.total != total:
                    bar.reset(total)
                bar.set_description_str(what, refresh=not done)
                bar.update(done - bar.n)

            yield show


def _bar_size() -> dict[str, Any]:
    """A bar as wide as its window; some terminals, such as those of scripts, have no size."""
    if os.get_terminal_size(sys.stderr.fileno()).columns:
        return {"dynamic_ncols": True}
    return {"ncols": 80, "nrows": 24}


def say(message: str) -> None:
    """Print on stderr; when nobody can read it, go on without."""
    message = printable(_spell_options(message))
    try:
        if sys.stderr is None:
            return
        if "tqdm" in sys.modules:  # above a progress bar, where one is drawn
            from tqdm import tqdm

            tqdm.write(message, file=sys.stderr)
            sys.stderr.flush()
        else:
            print(message, file=sys.stderr, flush=True)  # noqa: T201
    except OSError:
        discard(sys.stderr)


def _spell_options(message: str) -> str:
    """Spell what the library names `max_dice_loss` as the command line does: --max-dice-loss."""
    return re.sub(r"`([a-z]+(?:_[a-z]+)*)`", lambda found: _option(found[1]), message)


def _option(parameter: str) -> str:
    return "-o" if parameter == "output" else "--" + parameter.replace("_", "-")


def discard(stream: TextIO | None) -> None:
    """Point a stream at /dev/null: what is still buffered must not fail again at exit."""
    if stream is not None:
        with suppress(OSError):  # a caller's own stream may have no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
