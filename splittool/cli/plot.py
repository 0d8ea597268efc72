"""`splittool plot`: figures from reports."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import Force
from splittool.cli.output import Output
from splittool.vocabulary import FigureKind


def plot(
    ctx: typer.Context,
    reports: Annotated[
        list[str],
        typer.Argument(
            metavar="REPORT...",
            help="Reports, - for one on stdin, .history.jsonl files, POINT=bench.json.",
        ),
    ],
    output_file: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .svg, .png or .pdf.")
    ] = Path("figure.svg"),
    kind: Annotated[
        FigureKind | None, typer.Option(help="Which figure. [default: what the reports are for]")
    ] = None,
    bits: Annotated[int, typer.Option(help="Bits per element.")] = 16,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 10.0,
    force: Force = False,
) -> None:
    """Draw a figure from reports.

    layers: bitrate and layers on the device for several networks (cut --list, one report each).
    cost: GFLOPs and memory of the head at every split point (cut --all). output: the size sent at
    every split point, and FPS where bench-vpu reports are given; the split point of a cut's
    head.xml is read from the cut.json beside it, for other files write POINT=bench.json. tradeoff:
    bits against GFLOPs on the device, one point per cut, with the input as a line. training: loss
    and Dice per epoch. time: FPS and latency over the time of benchmarks. comparison: Dice against
    bytes (compare). energy: Dice against energy of the device (compare --edge-energy). A profile
    serves as a list of split points, and bench-vpu --splits gives the FPS at all named ones.
    Figures are one printed column wide.
    """
    output: Output = ctx.obj
    from splittool.figures.drawing import draw

    output.emit(draw(reports, output_file, kind, bits, fps, force))
