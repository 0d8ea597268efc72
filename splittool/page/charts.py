"""Charts that answer to the pointer and to the knobs, drawn by Bokeh.

Colours of text, axes and background are set by the page's style sheet, for a dark and a light
screen; Bokeh reads them as `--bk-...`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from splittool.errors import MissingExtraError
from splittool.figures.style import COLOURS
from splittool.page.points import Point, series_of
from splittool.tables import printable

if TYPE_CHECKING:
    from bokeh.models import Plot

# Parts of a bar: what they are called, the name of the row's field, and how they are filled.
Part = tuple[str, str, str, str]
TIMES: Sequence[Part] = (
    ("head", "head_ms", "#0072B2", " "),
    ("encoding", "encode_ms", "#56B4E9", "-"),
    ("link", "transfer_ms", "#E69F00", "/"),
    ("round trip", "wait_ms", "#999999", "."),
    ("decoding", "decode_ms", "#F0E442", "-"),
    ("tail", "tail_ms", "#009E73", "x"),
)
ENERGIES: Sequence[Part] = (
    ("computing", "computing_mj", "#0072B2", " "),
    ("radio", "radio_mj", "#E69F00", "/"),
    ("waiting", "waiting_mj", "#999999", "."),
)
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "plus", "x")
_LINE = 19  # pixels of the legend
_GREY = "#888888"  # in place of black, which a dark page would hide


def scripts() -> str:
    """Bokeh's own JavaScript, to be put into the page.

    Raises:
        MissingExtraError: Bokeh is not installed.
    """
    try:
        from bokeh.resources import Resources
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the page needs Bokeh; install it with: pip install 'splittool[page]'"
        ) from None
    return "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)


def times() -> dict[str, Any]:
    """Where the time of a frame goes, a bar for each row; the page's script fills it."""
    return _bars(TIMES, "ms", "ms of a frame, one after the other")


def energies() -> dict[str, Any]:
    """Where the energy of the device goes, likewise."""
    return _bars(ENERGIES, "mJ", "mJ of a frame on the device")


def _bars(parts: Sequence[Part], unit: str, label: str) -> dict[str, Any]:
    from bokeh.models import ColumnDataSource, FactorRange

    fields = [field for _, field, _, _ in parts]
    empty: dict[str, list[Any]] = {name: [] for name in ("place", "name", *fields)}
    source = ColumnDataSource(empty, name="rows")
    plot = _figure(y_range=FactorRange(), x_axis_label=label)
    plot.hbar_stack(
        fields,
        y="place",
        height=0.7,
        source=source,
        color=[colour for _, _, colour, _ in parts],
        hatch_pattern=[pattern for _, _, _, pattern in parts],
        hatch_alpha=0.5,
        hatch_scale=8,
        legend_label=[name for name, _, _, _ in parts],
    )
    plot.ygrid.visible = False
    plot.x_range.start = 0
    _finish(plot, [("", "@name")] + [(n, f"@{field}{{0.00}} {unit}") for n, field, _, _ in parts])
    plot.legend[0].ncols = 3
    return _item(plot)


def accuracy(points: Sequence[Point], field: str) -> dict[str, Any]:
    """Dice with its interval, against bytes or against work on the device.

    Args:
        points: What was measured.
        field: "payload_bytes" or "gflops".
    """
    from bokeh.models import ColumnDataSource, Range1d
    from bokeh.models.annotations import Whisker

    log = field == "payload_bytes"
    values = {point: getattr(point, field) for point in points}
    shown = [point for point, at in values.items() if at is not None and (at > 0 or not log)]
    ends = [end for point in shown for end in point.ends]
    room = 0.05 * (max(ends) - min(ends) or 1)
    plot = _figure(
        y_range=Range1d(start=min(ends) - room, end=max(ends) + room),
        x_axis_type="log" if log else "linear",
        x_axis_label="bytes of a frame" if log else "GFLOPs on the device",
        y_axis_label="Dice over defective pairs",
    )
    for number, (name, members) in enumerate(series_of(points).items()):
        known = [point for point in members if point in shown]
        if not known:
            continue
        source = ColumnDataSource(_columns(known, field))
        colour = COLOURS[number % (len(COLOURS) - 1)] if number < len(COLOURS) - 1 else _GREY
        whisker = Whisker(
            base="x", lower="low", upper="high", source=source, line_color=colour, line_alpha=0.6
        )
        for head in (whisker.upper_head, whisker.lower_head):
            head.size, head.line_color, head.line_alpha = 8, colour, 0.6
        plot.add_layout(whisker)
        plot.line("x", "dice", source=source, color=colour, line_alpha=0.4)
        marker = MARKERS[number % len(MARKERS)]
        plot.scatter(
            "x", "dice", source=source, marker=marker, size=9, color=colour,
            legend_label=plain(_short(name)),
        )  # fmt: skip
    _finish(
        plot,
        [
            ("", "@name"),
            ("bytes", "@bytes"),
            ("Dice", "@dice{0.0000}"),
            ("95 %", "@interval"),
            ("GFLOPs on the device", "@gflops"),
        ],
    )
    return _item(plot)


def plain(name: str) -> str:
    r"""A name that Bokeh does not take for a formula: it would be one within $$, \( or \[."""
    for mark in ("$$", r"\(", r"\["):
        name = name.replace(mark, f"{mark[0]}\N{ZERO WIDTH SPACE}{mark[1]}")
    return printable(name).replace(r"\u200b", "\N{ZERO WIDTH SPACE}")


def _short(name: str, most: int = 32) -> str:
    return name if len(name) <= most else name[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _columns(points: Sequence[Point], field: str) -> dict[str, list[Any]]:
    return {
        "x": [getattr(point, field) for point in points],
        "dice": [point.dice for point in points],
        "low": [min(point.ends) for point in points],
        "high": [max(point.ends) for point in points],
        "name": [printable(point.name) for point in points],
        "bytes": [f"{point.payload_bytes:,.0f}" for point in points],
        "gflops": ["-" if p.gflops is None else f"{p.gflops:.3g}" for p in points],
        "interval": [point.interval_text for point in points],
    }


def _figure(**how: Any) -> Any:
    from bokeh.plotting import figure

    return figure(sizing_mode="stretch_width", height=240, toolbar_location=None, tools="", **how)


def _finish(plot: Any, tooltips: list[tuple[str, str]]) -> None:
    """What all charts have: a legend above, and what the pointer is told."""
    from bokeh.models import HoverTool

    plot.add_tools(HoverTool(tooltips=tooltips))
    legend = plot.legend[0]
    plot.add_layout(legend, "above")
    plot.height += _LINE * len(legend.items)
    legend.update(
        location="top_left",
        background_fill_alpha=0,
        border_line_alpha=0,
        label_text_font_size="12px",
        spacing=0,
        padding=0,
    )
    for grid in plot.grid:
        grid.grid_line_alpha = 0.35
    for axis in plot.axis:
        axis.axis_label_text_font_style = "normal"


def _item(plot: "Plot") -> dict[str, Any]:
    from bokeh.embed import json_item

    return dict(json_item(plot))
