"""Cuts and compressed inputs side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from splittool.figures.style import COLOURS, MARKERS, new_figure
from splittool.reports import ArmRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison(arms: Sequence[ArmRecord]) -> "Figure":
    """Dice against bytes per frame: a line for each split point and each image format.

    Of the codecs of a cut, which are lossless, the smallest at each precision is drawn. The legend
    has the GFLOPs that a cut leaves on the device.
    """
    lines: dict[tuple[str, str], list[ArmRecord]] = {}
    for arm in arms:
        if arm.kind != "whole" and arm.dice is not None:
            name = arm.point if arm.kind == "cut" else arm.codec
            lines.setdefault((arm.kind, name or ""), []).append(arm)
    with new_figure(3.6) as figure:
        axis = figure.subplots()
        for number, ((kind, name), members) in enumerate(sorted(lines.items())):
            smallest: dict[tuple[int | None, int | None], ArmRecord] = {}
            for arm in sorted(members, key=lambda arm: -arm.payload_bytes_per_frame):
                smallest[arm.bits, arm.quality] = arm
            points = sorted((a.payload_bytes_per_frame / 1e3, a.dice) for a in smallest.values())
            axis.plot(
                *zip(*points, strict=True),
                marker=MARKERS[number % len(MARKERS)],
                color=COLOURS[number % len(COLOURS)],
                linestyle="-" if kind == "cut" else "--",
                fillstyle="full" if kind == "cut" else "none",
                label=f"{name} ({members[0].edge_gflops:.2g} GFLOPs on the edge)"
                if kind == "cut"
                else f"input as {name}",
            )
        for arm in arms:
            if arm.kind == "whole" and arm.dice is not None:
                axis.axhline(arm.dice, color="black", linestyle=":", label="whole network")
        axis.set_xscale("log")
        axis.set_xlabel("kB per frame")
        axis.set_ylabel("Dice over defective pairs")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return figure
