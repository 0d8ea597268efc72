"""Costs of one network by split point: operations, memory, size sent, and speed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from splittool.figures.style import COLOURS, MARKERS, new_figure, short_name
from splittool.reports import SplitRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_TICKS = 20


def cost(splits: Sequence[SplitRecord]) -> "Figure":
    """Operations and memory of the head against the split point, as in the paper's Fig. 5(a).

    Args:
        splits: Every place in order, as `cut --all` lists them.
    """
    with new_figure(3.8) as figure:
        work_axis, memory_axis = figure.subplots(2, 1, sharex=True)
        places = range(len(splits))
        work_axis.plot(places, [split.head_gflops for split in splits], color=COLOURS[0])
        work_axis.set_ylabel("GFLOPs up to the split")
        for number, (label, style, values) in enumerate(
            (
                ("sum of all (MaxMem)", "-", [split.head_sum_elements for split in splits]),
                ("alive at once (MinMem)", "--", [split.head_live_elements for split in splits]),
            )
        ):
            millions = [value / 1e6 for value in values]
            memory_axis.plot(places, millions, style, color=COLOURS[number], label=label)
        memory_axis.set_ylabel("activations, M elements")
        memory_axis.legend()
        _name_places(memory_axis, splits)
        return figure


def output(splits: Sequence[SplitRecord], fps: Mapping[str, float] | None = None) -> "Figure":
    """Size sent, and measured frames per second, against the split point: the paper's Fig. 5(b).

    Args:
        splits: Every place in order.
        fps: Measured frames per second of the head, by split point.
    """
    measured = fps or {}
    with new_figure(3.8 if measured else 2.6) as figure:
        axes = figure.subplots(2 if measured else 1, 1, sharex=True, squeeze=False)[:, 0]
        millions = [split.elements / 1e6 for split in splits]
        axes[0].plot(range(len(splits)), millions, color=COLOURS[0], label="crossing tensors")
        if not splits[0].head_operations:
            axes[0].axhline(millions[0], color="black", linestyle=":", label="input image")
        axes[0].set_ylabel("sent per frame, M elements")
        axes[0].set_ylim(bottom=0)
        axes[0].legend()
        if measured:
            places = [i for i, split in enumerate(splits) if split.point in measured]
            rates = [measured[splits[i].point] for i in places]
            axes[1].plot(places, rates, color=COLOURS[1], marker=MARKERS[0])
            axes[1].set_ylabel("head alone, FPS")
            axes[1].set_ylim(bottom=0)
        _name_places(axes[-1], splits)
        return figure


def _name_places(axis: Any, splits: Sequence[SplitRecord]) -> None:
    """Label split points on the x axis: modules rather than their parts, without overlap."""
    whole = [i for i, split in enumerate(splits) if not set(split.point) & set("/.+")]
    ticks: list[int] = []
    for i in whole if len(whole) > 1 else range(len(splits)):
        if not ticks or i - ticks[-1] >= len(splits) / MOST_TICKS:
            ticks.append(i)
    axis.set_xticks(ticks, [short_name(splits[i].point) for i in ticks], rotation=90)
    axis.set_xlabel(f"split point ({len(splits)} places)")
