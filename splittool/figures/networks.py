"""Several networks side by side: bitrate and work on the device at their split points."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from splittool.cost.bitrate import mbps, split_bytes
from splittool.figures.style import COLOURS, HATCHES, MARKERS, literal, new_figure, short_name
from splittool.reports import SplitRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    with new_figure(3.8) as figure:
        rate_axis, layer_axis = figure.subplots(2, 1, sharex=True)
        for number, (name, splits) in enumerate(cuts.items()):
            places = [i + 1 + (number - (len(cuts) - 1) / 2) * width for i in range(len(splits))]
            look: dict[str, Any] = {
                "width": width,
                "color": COLOURS[number % len(COLOURS)],
                "hatch": HATCHES[number % len(HATCHES)],
                "edgecolor": "white",
                "linewidth": 0.3,
                "label": literal(name),
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


def tradeoff(networks: Mapping[str, Sequence[SplitRecord]], bits: int) -> "Figure":
    """Bits per frame against operations on the device, one point per cut.

    Cuts that no other cut of the same network beats in both are filled, joined and named; of those
    of one module or folder only the first. The legend says how many cuts there are.

    Args:
        networks: Split points, by the network's name; "input" gives the reference line.
        bits: Bits per element.
    """
    with new_figure(3.0) as figure:
        axis = figure.subplots()
        for number, (name, splits) in enumerate(networks.items()):
            # Before the first weighted layer, a head only changes the form of the image.
            cuts = [split for split in splits if split.head_weighted_layers]
            names = {(split.head_gflops, _mbits(split, bits)): split.point for split in cuts}
            points = sorted(names)
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axis.plot(*zip(*points, strict=True), marker, color=colour, fillstyle="none", alpha=0.6)
            best = pareto(points)
            label = f"{literal(name)} (n = {len(cuts)} cuts)"
            axis.step(
                *zip(*best, strict=True), where="post", marker=marker, color=colour, label=label
            )
            _name_points(axis, {names[point]: point for point in best}, colour)
        images = {_mbits(s, bits) for splits in networks.values() for s in splits if _is_input(s)}
        for size in sorted(images):
            axis.axhline(size, color="black", linestyle=":", label=f"input image, {size:.2f} Mbit")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.margins(x=0.12)  # room for the names
        axis.set_xlabel("GFLOPs on the device")
        axis.set_ylabel(f"Mbit per frame ({bits} bits)")
        figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return figure


def _name_points(axis: Any, points: Mapping[str, tuple[float, float]], colour: str) -> None:
    """Write its name at each point; at the first where several belong to one module."""
    modules: set[str] = set()
    for name, place in points.items():
        module = re.split(r"[/.+]", name)[0].strip()
        if module not in modules:
            modules.add(module)
            how = {"xytext": (2, 2), "textcoords": "offset points", "color": colour}
            axis.annotate(short_name(module), place, fontsize=4.5, rotation=35, **how)


def pareto(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other one beats in both coordinates, from left to right."""
    best: list[tuple[float, float]] = []
    for point in sorted(points):
        if not best or point[1] < best[-1][1]:
            best.append(point)
    return best


def _mbits(split: SplitRecord, bits: int) -> float:
    return split_bytes(split, bits) * 8 / 1e6


def _mbps(split: SplitRecord, bits: int, fps: float) -> float:
    return mbps(split_bytes(split, bits), fps)


def _is_input(split: SplitRecord) -> bool:
    return not split.head_operations


def _input_line(
    axis: Any, networks: Mapping[str, Sequence[SplitRecord]], bits: int, fps: float
) -> None:
    rates = {_mbps(s, bits, fps) for splits in networks.values() for s in splits if _is_input(s)}
    for rate in sorted(rates):
        axis.axhline(rate, color="black", linestyle=":", label="input image")
