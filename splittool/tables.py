"""How reports look to a person: plain tables, short numbers, lines to copy."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
    from rich.measure import Measurement
    from rich.table import Table


_SHORT = 16  # cells up to this many characters are never broken
_SEPARATORS = ("/", ".", "_-:+")


def printable(text: str) -> str:
    r"""A text without what a terminal would obey: control characters are shown as escapes.

    Names of files and classes come from others; \x1b in one could clear or retitle a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def make_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1
) -> "Table":
    """A plain table: the first `texts` columns to the left, numbers to the right.

    Where it is too wide, texts are broken between words, and names at their separators; numbers
    are not.
    """
    from rich import box
    from rich.table import Table

    rows = [[printable(cell) for cell in row] for row in rows]
    table = Table(
        title=printable(title),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        title_style="",
        pad_edge=False,
    )
    for index, column in enumerate(columns):
        if index < texts:
            table.add_column(column)
            continue
        longest = max(_longest(cell) for cell in [column, *(row[index] for row in rows)])
        whole = longest <= _SHORT
        table.add_column(
            column,
            justify="right",
            overflow="fold",
            no_wrap=whole,
            min_width=longest if whole else None,
        )
    for row in rows:
        table.add_row(*map(Words, row[:texts]), *row[texts:])
    return table


class Words:
    """A table's cell that is broken where a reader would break it.

    Lines that do not fit go on in the next line, indented: between words, else after the separators
    of a name ("/", then ".", then "_", "-", ":" and "+"). A part without separators that still does
    not fit loses its middle.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> "Measurement":
        """Its width in one piece, and the least that it should have."""
        from rich.measure import Measurement

        longest = _longest(self.text)
        return Measurement(min(longest, _SHORT), longest)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Its lines."""
        from rich.text import Text

        lines = [
            part for line in self.text.split("\n") for part in break_line(line, options.max_width)
        ]
        yield Text("\n".join(lines), no_wrap=True)


def break_line(line: str, width: int) -> list[str]:
    """Break a line into some of at most `width` characters; those that go on are indented."""
    if len(line) <= width:
        return [line]
    text = line.lstrip(" ")
    indent = line[: len(line) - len(text)]
    room = max(width - len(indent) - 2, 1)
    first, *others = _broken(text, room, (" ", *_SEPARATORS))
    return [indent + first.rstrip(), *(f"{indent}  {other.strip()}" for other in others)]


def _broken(text: str, width: int, separators: Sequence[str]) -> list[str]:
    """Lines of a text, filled with the parts that end in the first separators that are in it."""
    if len(text) <= width:
        return [text]
    if not separators:
        half = (width - 1) // 2
        return [text[: width - 1 - half] + "\N{HORIZONTAL ELLIPSIS}" + text[len(text) - half :]]
    lines = [""]
    for part in re.findall(f"[^{re.escape(separators[0])}]*.", text):
        if len((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
        else:
            lines += _broken(part, width, separators[1:])
    return lines if lines[0] else lines[1:]


def _longest(text: str) -> int:
    return max(map(len, text.split("\n")))


def verbatim(text: str) -> "Group":
    """Lines to copy: never broken, however narrow the terminal."""
    from rich.console import Group
    from rich.text import Text

    # A bare Text would lose both: the console joins those it is given into a new one.
    return Group(Text(text, no_wrap=True, overflow="ignore"))


def short(number: float | None, digits: int = 3) -> str:
    """A number with a fixed number of decimals; a dash for what is not known."""
    return "-" if number is None else f"{number:.{digits}f}"


def as_html(tables: "Sequence[RenderableType]") -> str:
    """Tables as HTML, for a notebook."""
    from rich.console import Console

    console = Console(file=io.StringIO(), record=True, width=100, highlight=False)
    for table in tables:
        console.print(table, markup=False)
    return console.export_html(
        inline_styles=True, code_format="<pre style='line-height:normal'>{code}</pre>"
    )


@dataclass(frozen=True)
class Cells:
    """What a table of `make_table` says, for who draws it otherwise.

    Attributes:
        title: What it shows.
        columns: Their names.
        rows: As many texts each.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def content(shown: "RenderableType") -> Cells | str:
    """The cells of a table, or the text of anything else that a report shows."""
    from rich.console import Group
    from rich.table import Table

    if isinstance(shown, Table):
        columns = [[_text(cell) for cell in column.cells] for column in shown.columns]
        names = [_text(column.header) for column in shown.columns]
        return Cells(_text(shown.title), names, list(zip(*columns, strict=True)))
    if isinstance(shown, Group):
        return "\n".join(map(_text, shown.renderables))
    return _text(shown)


def _text(part: Any) -> str:
    """What one part of a table says: `Words`, rich's `Text`, or a string."""
    if isinstance(part, Words):
        return part.text
    return str(part or "")
