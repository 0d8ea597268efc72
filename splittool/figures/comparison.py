"""Cuts, answers and compressed inputs side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from splittool.figures.style import COLOURS, MARKERS, new_figure
from splittool.reports import ArmRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEGEND_ROW = 0.13  # inches


def comparison(arms: Sequence[ArmRecord]) -> "Figure":
    """Dice against bytes per frame: a line for each cut, image format and answer.

    Of the codecs of a cut, which are lossless, the smallest at each precision is drawn. The legend
    has the GFLOPs that a cut or an answer leaves on the device.
    """
    lines = _lines(arms)
    wholes = [arm.dice for arm in arms if arm.kind == "whole" and arm.dice is not None]
    rows = len(lines) + len(wholes)
    with new_figure(2.6 + _LEGEND_ROW * rows) as figure:
        axis = figure.subplots()
        for number, (label, members) in enumerate(lines.items()):
            _draw(axis, number, label, members)
        for dice in wholes:
            axis.axhline(dice, color="black", linestyle=":", label="whole network")
        axis.set_xscale("log")
        axis.set_xlabel("bytes per frame")
        axis.set_ylabel("Dice over defective pairs")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=1)
        return figure


def _lines(arms: Sequence[ArmRecord]) -> dict[str, list[ArmRecord]]:
    """Arms by what the legend says of them, without the original files: they are not a codec."""
    found: dict[str, list[ArmRecord]] = {}
    for arm in sorted(arms, key=lambda arm: arm.kind):
        named = arm.kind != "whole" and arm.codec != "file"
        if named and arm.dice is not None and arm.payload_bytes_per_frame > 0:
            found.setdefault(_label(arm), []).append(arm)
    return found


def _label(arm: ArmRecord) -> str:
    if arm.kind == "image":
        return f"input as {arm.series}"
    work = f"{arm.edge_gflops:.2g} GFLOPs on the device"
    name = f"cut {arm.point}" if arm.kind == "cut" and arm.network is None else arm.series
    return f"{name} ({work})"


def _draw(axis: Any, number: int, label: str, members: Sequence[ArmRecord]) -> None:
    smallest: dict[tuple[int | None, int | None], ArmRecord] = {}
    for arm in sorted(members, key=lambda arm: -arm.payload_bytes_per_frame):
        smallest[arm.bits, arm.quality] = arm
    points = sorted((arm.payload_bytes_per_frame, arm.dice) for arm in smallest.values())
    sent_input = members[0].kind == "image"
    axis.plot(
        *zip(*points, strict=True),
        marker=MARKERS[number % len(MARKERS)],
        color=COLOURS[number % len(COLOURS)],
        linestyle="--" if sent_input else "-",
        fillstyle="none" if sent_input else "full",
        # Answers are few points among many lines, and must not be looked for.
        markersize=6 if members[0].kind == "answer" else None,
        zorder=3 if members[0].kind == "answer" else 2,
        label=label,
    )
