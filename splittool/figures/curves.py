"""Curves over time: the epochs of a training run, and the windows of benchmarks."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from splittool.figures.style import COLOURS, literal, new_figure
from splittool.reports import BenchReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_curves(history: Sequence[dict[str, Any]]) -> "Figure":
    """Loss and Dice against the epoch for both parts, as in the paper's Figs. 3 and 4.

    Where bytes had a price, those of a frame are below. The legend says how many pairs of image and
    class with a defect the Dice of each part is a mean of.

    Args:
        history: Records as in the history file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    keys = ["loss", "dice"]
    if history[0]["validation"].get("bytes_per_frame") is not None:
        keys.append("bytes_per_frame")
    with new_figure(1.8 * len(keys)) as figure:
        from matplotlib.ticker import MaxNLocator

        epochs = [record["epoch"] for record in history]
        axes = figure.subplots(len(keys), 1, sharex=True)
        loss_axis, dice_axis, last = axes[0], axes[1], axes[-1]
        for axis, key in zip(axes, keys, strict=True):
            for number, (part, style) in enumerate((("train", "-"), ("validation", "--"))):
                axis.plot(
                    epochs,
                    [_number(record[part][key]) for record in history],
                    style,
                    color=COLOURS[number],
                    label=_named_with_pairs(part, history[0][part]),
                    marker="." if len(epochs) < 30 else None,
                )
        loss_axis.set_ylabel("loss (BCE + 1 - Dice)")
        dice_axis.set_ylabel("Dice over defective pairs")
        dice_axis.set_ylim(0, 1)
        if last is not dice_axis:
            last.set_yscale("log")
            last.set_ylabel("bytes of a frame")
        last.set_xlabel("epoch")
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        _cut_off_peaks(loss_axis, [record["validation"]["loss"] for record in history])
        loss_axis.legend()
        return figure


def _named_with_pairs(part: str, scores: Mapping[str, Any]) -> str:
    pairs = scores.get("defective_pairs")
    return part if pairs is None else f"{part} (n = {pairs} defective pairs)"


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _cut_off_peaks(axis: Any, losses: Sequence[float]) -> None:
    """Limit the y axis where a peak of the validation loss would flatten the rest, and say so."""
    limit = 3 * statistics.median(losses)
    if max(losses) > limit:
        axis.set_ylim(0, limit)
        axis.set_title(f"validation peak of {max(losses):.3g} cut off", fontsize=7)


def over_time(runs: Mapping[str, BenchReport]) -> "Figure":
    """Frames per second and latency over the time of benchmarks, one point per window.

    The legend says how many frames each benchmark counted.

    Args:
        runs: The benchmarks, by what to call them.
    """
    with new_figure(3.4) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        longest = max(run.seconds for run in runs.values())
        unit, scale = ("minutes", 60) if longest >= 180 else ("seconds", 1)
        for number, (name, run) in enumerate(runs.items()):
            colour = COLOURS[number % len(COLOURS)]
            times = [(w.start_s + w.seconds / 2) / scale for w in run.windows]
            above.plot(
                times,
                [w.fps for w in run.windows],
                color=colour,
                label=f"{literal(name[-32:])} (n = {run.frames:,})",
            )
            for marks, line, mark in (
                ([w.p50_ms for w in run.windows], "-", "median"),
                ([w.p99_ms for w in run.windows], ":", "99th percentile"),
            ):
                values = [float("nan") if value is None else value for value in marks]
                label = mark if not number else None
                below.plot(times, values, line, color=colour, label=label)
        above.set_ylim(bottom=0)
        below.set_ylim(bottom=0)
        above.set_ylabel("FPS")
        below.set_ylabel("latency (ms)")
        below.set_xlabel(f"time ({unit})")
        below.legend(loc="best")
        figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return figure
