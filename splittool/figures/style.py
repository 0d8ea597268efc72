"""The look of all figures.

Every figure is one printed column wide, tells series apart by marker or hatch as well as by colour
(Okabe and Ito's, which colour-blind readers can tell apart), and has a unit on every axis. The same
reports give the same file.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splittool.errors import MissingExtraError
from splittool.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 3.5  # inches
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo")
STYLE: Any = {
    "font.size": 7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "hatch.linewidth": 0.4,
    "legend.frameon": False,
    "lines.linewidth": 1,
    "lines.markersize": 3.5,
    "svg.hashsalt": "splittool",
}


def literal(name: str) -> str:
    """A name for a label: a dollar in it is a dollar, not the beginning of a formula."""
    return name.replace("$", r"\$")


def save(figure: "Figure", path: Path) -> None:
    """Write a figure; the suffix says the format.

    Raises:
        OutputError: The file cannot be written.
    """
    import matplotlib as mpl

    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with replacing(path) as temporary, mpl.rc_context(STYLE):
        figure.savefig(temporary, dpi=300, metadata=undated)


def svg(figure: "Figure") -> bytes:
    """A figure as an SVG file."""
    import matplotlib as mpl

    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


@contextmanager
def new_figure(height: float) -> Iterator["Figure"]:
    """An empty figure of some height in inches, drawn in this style.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtraError(
            "figures need matplotlib; install it with: pip install 'splittool[plots]'"
        ) from None
    with mpl.rc_context(STYLE):
        yield Figure(figsize=(COLUMN, height), layout="constrained")


def short_name(name: str, most: int = 24) -> str:
    """A name that fits into a figure: a long one, such as ONNX has, loses its first parts."""
    if len(name) <= most:
        return literal(name)
    end = name[1 - most :]
    separators = [end.index(mark) for mark in "/.:" if mark in end[:-1]]
    return "…" + literal(end[min(separators, default=0) :])
