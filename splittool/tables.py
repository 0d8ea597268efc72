"""How reports look to a person: plain tables, short numbers, lines to copy."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table


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
