"""Figures; matplotlib is an extra and imported here alone."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from splittool.errors import MissingExtraError
from splittool.files import replacing

_BLUE, _ORANGE = "#0072B2", "#D55E00"


def training_curves(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss and Dice against the epoch for both parts, as in the paper's Figs. 3 and 4.

    Args:
        history: Records as in the history file.
        path: Image to write; its suffix says the format.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ModuleNotFoundError:
        raise MissingExtraError(
            "figures need matplotlib; install it with: pip install 'splittool[plots]'"
        ) from None
    epochs = [record["epoch"] for record in history]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    loss_axis, dice_axis = figure.subplots(1, 2)
    for axis, key in ((loss_axis, "loss"), (dice_axis, "dice")):
        for part, colour, style in (("train", _BLUE, "-"), ("validation", _ORANGE, "--")):
            values = [record[part][key] for record in history]
            axis.plot(
                epochs,
                [float("nan") if value is None else value for value in values],
                style,
                color=colour,
                label=part,
                marker="." if len(epochs) < 30 else None,
            )
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
    loss_axis.set_ylabel("loss (BCE + 1 - Dice)")
    dice_axis.set_ylabel("Dice over defective pairs")
    dice_axis.set_ylim(0, 1)
    _cut_off_peaks(loss_axis, [record["validation"]["loss"] for record in history])
    for axis in (loss_axis, dice_axis):
        axis.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)


def _cut_off_peaks(axis: Any, losses: Sequence[float]) -> None:
    """Keep a leap of the validation loss from flattening the rest, and say so."""
    limit = 3 * statistics.median(losses)
    if max(losses) > limit:
        axis.set_ylim(0, limit)
        axis.set_title(f"validation peak of {max(losses):.3g} cut off", fontsize=8)
