"""Cuts, answers and compressed inputs side by side."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from splittool.figures.style import COLOURS, MARKERS, literal, new_figure
from splittool.reports import ArmRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Against = Literal["bytes", "energy"]

_AXES: dict[Against, str] = {
    "bytes": "bytes per frame",
    "energy": "energy of the device per frame, mJ: computing and radio",
}
_LEGEND_ROW = 0.12  # inches
_COLUMNS = 2
_OTHERS = ("#000000", "#7F3C8D", "#A5AA99", "#4B4B8F", "#80BA5A")  # no colour of a codec


def comparison(arms: Sequence[ArmRecord], against: Against = "bytes") -> "Figure":
    """Dice against bytes per frame, or energy: a line for each cut, image format and answer.

    Sent inputs are broken lines, dotted at half their size; one colour is one image format, and one
    marker the network behind it. Cuts and answers are filled markers. Of the codecs of a cut, which
    are lossless, the smallest at each precision is drawn; the legend has the GFLOPs that a cut or
    an answer leaves on the device.

    The 95 % intervals of Dice are bars at cuts and answers, and a band around the whole network.
    Lines below say how many images they rest on, and how many ways lose no more than chance would
    explain: the interval of their loss, from pairs of the same images, holds 0.
    """
    lines = _lines(arms)
    wholes = [arm for arm in arms if arm.kind == "whole" and arm.dice is not None]
    rows = -(-(len(lines) + len(wholes)) // _COLUMNS)
    with new_figure(2.4 + _LEGEND_ROW * rows) as figure:
        axis = figure.subplots()
        for (label, members), look in zip(lines.items(), _looks(lines), strict=True):
            drawn = _smallest(members)
            spent = [_spent(arm, against) for arm in drawn]
            axis.plot(spent, [arm.dice or 0.0 for arm in drawn], label=label, **look)
            if drawn[0].kind != "image":
                _bars(axis, drawn, spent, look["color"])
        for arm in wholes:
            axis.axhline(arm.dice or 0.0, color="black", linestyle=":", label="whole network")
            if arm.dice_interval:
                axis.axhspan(*arm.dice_interval, color="black", alpha=0.07, linewidth=0)
        axis.set_xscale("log")
        axis.set_xlabel("\n".join([_AXES[against], *_evidence(arms)]))
        axis.set_ylabel("Dice over defective pairs")
        handles = axis.get_legend_handles_labels()
        figure.legend(
            *handles,
            loc="outside upper center",
            ncols=_COLUMNS,
            fontsize=5.5,
            columnspacing=1,
            handlelength=3,
        )
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
        return literal(f"input as {arm.series}")
    name = f"cut {arm.point}" if arm.kind == "cut" and arm.network is None else arm.series
    return literal(f"{name} ({arm.edge_gflops:.2g} GFLOPs)")


def _smallest(members: Sequence[ArmRecord]) -> list[ArmRecord]:
    """Of each file, precision, quality and scale the way of fewest bytes, the smallest first."""
    smallest: dict[tuple[str | int | float | None, ...], ArmRecord] = {}
    for arm in sorted(members, key=lambda arm: -arm.payload_bytes_per_frame):
        smallest[arm.network, arm.bits, arm.quality, arm.scale] = arm
    return sorted(smallest.values(), key=lambda arm: arm.payload_bytes_per_frame)


def _spent(arm: ArmRecord, against: Against) -> float:
    return arm.payload_bytes_per_frame if against == "bytes" else arm.energy_mj or 0.0


def _bars(axis: Any, arms: Sequence[ArmRecord], spent: Sequence[float], colour: str) -> None:
    """The interval of Dice at each way that has one."""
    for arm, at in zip(arms, spent, strict=True):
        if arm.dice_interval:
            axis.vlines(at, *arm.dice_interval, color=colour, linewidth=0.7, alpha=0.6)


def _evidence(arms: Sequence[ArmRecord]) -> list[str]:
    """How many images the intervals rest on, and how many ways they tell from the whole network."""
    whole = next((arm for arm in arms if arm.kind == "whole"), None)
    if whole is None or whole.dice_interval is None:
        return []
    lines = [f"bars, band: 95 % intervals, {whole.dice_interval_images} images with a defect"]
    losses = [
        arm.dice_loss_interval for arm in arms if arm.kind in ("cut", "image", "answer")
        if arm.dice_loss_interval and arm.codec != "file"
    ]  # fmt: skip
    if losses:
        within = sum(low <= 0 <= high for low, high in losses)
        lines.append(f"{within} of {len(losses)} ways: loss against the whole within its interval")
    return lines


def _looks(lines: dict[str, list[ArmRecord]]) -> Iterator[dict[str, Any]]:
    """How each line is drawn."""
    firsts = [members[0] for members in lines.values()]
    images = [arm for arm in firsts if arm.kind == "image"]
    codecs = list(dict.fromkeys(arm.codec for arm in images))
    networks = list(dict.fromkeys(arm.network for arm in images))
    others = 0
    for arm in firsts:
        if arm.kind == "image":
            yield {
                "color": COLOURS[codecs.index(arm.codec) % len(COLOURS)],
                "marker": MARKERS[networks.index(arm.network) % len(MARKERS)],
                "linestyle": "--" if arm.scale == 1 else ":",
                "fillstyle": "none",
                "linewidth": 0.8,
                "markersize": 2.5,
            }
            continue
        # Answers are few points among many lines, and must not be looked for.
        size = {"markersize": 7, "zorder": 3} if arm.kind == "answer" else {}
        marker = "*" if arm.kind == "answer" else MARKERS[others % len(MARKERS)]
        yield {"color": _OTHERS[others % len(_OTHERS)], "marker": marker, **size}
        others += 1
