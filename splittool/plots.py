"""Figures; matplotlib is an extra and imported here alone.

Every figure is one printed column wide, tells series apart by marker or hatch as well as by colour
(Okabe and Ito's, which the colour-blind can read), and has a unit on every axis. The same reports
give the same file.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splittool.cost.bitrate import mbps, payload_bytes
from splittool.errors import MissingExtraError
from splittool.files import replacing
from splittool.reports import ArmRecord, BenchReport, SplitRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = 3.5  # inches
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++", "oo")
_STYLE: Any = {
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
MOST_TICKS = 20


def save(figure: "Figure", path: Path) -> None:
    """Write a figure; the suffix says the format.

    Raises:
        OutputError: The file cannot be written.
    """
    import matplotlib as mpl

    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with replacing(path) as temporary, mpl.rc_context(_STYLE):
        figure.savefig(temporary, dpi=300, metadata=undated)


@contextmanager
def _figure(height: float) -> Iterator["Figure"]:
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtraError(
            "figures need matplotlib; install it with: pip install 'splittool[plots]'"
        ) from None
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(COLUMN, height), layout="constrained")


def training_curves(history: Sequence[dict[str, Any]]) -> "Figure":
    """Loss and Dice against the epoch for both parts, as in the paper's Figs. 3 and 4.

    Args:
        history: Records as in the history file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _figure(3.6) as figure:
        from matplotlib.ticker import MaxNLocator

        epochs = [record["epoch"] for record in history]
        loss_axis, dice_axis = figure.subplots(2, 1, sharex=True)
        for axis, key in ((loss_axis, "loss"), (dice_axis, "dice")):
            for number, (part, style) in enumerate((("train", "-"), ("validation", "--"))):
                axis.plot(
                    epochs,
                    [_number(record[part][key]) for record in history],
                    style,
                    color=COLOURS[number],
                    label=part,
                    marker="." if len(epochs) < 30 else None,
                )
        loss_axis.set_ylabel("loss (BCE + 1 - Dice)")
        dice_axis.set_ylabel("Dice over defective pairs")
        dice_axis.set_ylim(0, 1)
        dice_axis.set_xlabel("epoch")
        dice_axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        _cut_off_peaks(loss_axis, [record["validation"]["loss"] for record in history])
        loss_axis.legend()
        return figure


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _cut_off_peaks(axis: Any, losses: Sequence[float]) -> None:
    """Keep a leap of the validation loss from flattening the rest, and say so."""
    limit = 3 * statistics.median(losses)
    if max(losses) > limit:
        axis.set_ylim(0, limit)
        axis.set_title(f"validation peak of {max(losses):.3g} cut off", fontsize=7)


def layers(networks: Mapping[str, Sequence[SplitRecord]], bits: int, fps: float) -> "Figure":
    """Bitrate and layers on the device for each network and split point, as in the paper's Fig. 2.

    Args:
        networks: Split points in order, by the network's name; "input" may be among them.
        bits: Bits per element.
        fps: Frames per second.
    """
    cuts = {name: [s for s in splits if s.head_operations] for name, splits in networks.items()}
    most = max(len(splits) for splits in cuts.values())
    width = 0.8 / len(cuts)
    with _figure(3.8) as figure:
        rate_axis, layer_axis = figure.subplots(2, 1, sharex=True)
        for number, (name, splits) in enumerate(cuts.items()):
            places = [i + 1 + (number - (len(cuts) - 1) / 2) * width for i in range(len(splits))]
            look: dict[str, Any] = {
                "width": width,
                "color": COLOURS[number % len(COLOURS)],
                "hatch": HATCHES[number % len(HATCHES)],
                "edgecolor": "white",
                "linewidth": 0.3,
                "label": name,
            }
            rate_axis.bar(places, [_mbps(split, bits, fps) for split in splits], **look)
            layer_axis.bar(places, [split.head_weighted_layers for split in splits], **look)
        _input_line(rate_axis, networks, bits, fps)
        rate_axis.set_yscale("log")
        rate_axis.set_ylabel(f"Mbit/s ({bits} bits, {fps:g} FPS)")
        layer_axis.set_ylabel("weighted layers on the device")
        layer_axis.set_xlabel("split point, in order")
        layer_axis.set_xticks(range(1, most + 1))
        for axis in (rate_axis, layer_axis):
            axis.grid(visible=False, axis="x")
        figure.legend(*rate_axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        return figure


def cost(splits: Sequence[SplitRecord]) -> "Figure":
    """Operations and memory of the head against the split point, as in the paper's Fig. 5(a).

    Args:
        splits: Every place in order, as `cut --all` lists them.
    """
    with _figure(3.8) as figure:
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
    with _figure(3.8 if measured else 2.6) as figure:
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


def over_time(runs: Mapping[str, BenchReport]) -> "Figure":
    """Frames per second and latency over the time of benchmarks, one point per window.

    Args:
        runs: The benchmarks, by what to call them.
    """
    with _figure(3.4) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        longest = max(run.seconds for run in runs.values())
        unit, scale = ("minutes", 60) if longest >= 180 else ("seconds", 1)
        for number, (name, run) in enumerate(runs.items()):
            colour = COLOURS[number % len(COLOURS)]
            times = [(w.start_s + w.seconds / 2) / scale for w in run.windows]
            above.plot(times, [w.fps for w in run.windows], color=colour, label=name[-32:])
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


def tradeoff(networks: Mapping[str, Sequence[SplitRecord]], bits: int) -> "Figure":
    """Bits per frame against operations on the device, one point per cut.

    Cuts that no other cut of the same network beats in both are filled and joined.

    Args:
        networks: Split points, by the network's name; "input" gives the reference line.
        bits: Bits per element.
    """
    with _figure(3.0) as figure:
        axis = figure.subplots()
        for number, (name, splits) in enumerate(networks.items()):
            # Before the first weighted layer, a head only changes the form of the image.
            cuts = [split for split in splits if split.head_weighted_layers]
            points = sorted((split.head_gflops, _mbits(split, bits)) for split in cuts)
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axis.plot(*zip(*points, strict=True), marker, color=colour, fillstyle="none", alpha=0.6)
            best = pareto(points)
            axis.step(
                *zip(*best, strict=True), where="post", marker=marker, color=colour, label=name
            )
        images = {_mbits(s, bits) for splits in networks.values() for s in splits if _is_input(s)}
        for size in sorted(images):
            axis.axhline(size, color="black", linestyle=":", label=f"input image, {size:.2f} Mbit")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("GFLOPs on the device")
        axis.set_ylabel(f"Mbit per frame ({bits} bits)")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return figure


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
    with _figure(3.6) as figure:
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


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other one beats in both coordinates, from left to right."""
    best: list[tuple[float, float]] = []
    for point in sorted(points):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def _mbits(split: SplitRecord, bits: int) -> float:
    return payload_bytes(split.tensors, bits) * 8 / 1e6


def _mbps(split: SplitRecord, bits: int, fps: float) -> float:
    return mbps(payload_bytes(split.tensors, bits), fps)


def _is_input(split: SplitRecord) -> bool:
    return not split.head_operations


def _input_line(
    axis: Any, networks: Mapping[str, Sequence[SplitRecord]], bits: int, fps: float
) -> None:
    rates = {_mbps(s, bits, fps) for splits in networks.values() for s in splits if _is_input(s)}
    for rate in sorted(rates):
        axis.axhline(rate, color="black", linestyle=":", label="input image")


def _name_places(axis: Any, splits: Sequence[SplitRecord]) -> None:
    """Name places on the x axis: whole modules rather than their parts, and none over another."""
    whole = [i for i, split in enumerate(splits) if not set(split.point) & set("/.+")]
    ticks: list[int] = []
    for i in whole if len(whole) > 1 else range(len(splits)):
        if not ticks or i - ticks[-1] >= len(splits) / MOST_TICKS:
            ticks.append(i)
    axis.set_xticks(ticks, [splits[i].point[-24:] for i in ticks], rotation=90)
    axis.set_xlabel(f"split point ({len(splits)} places)")
