"""`splittool page`: one HTML page that shows reports and decides."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import Force
from splittool.cli.output import Output


def page(
    ctx: typer.Context,
    reports: Annotated[
        list[str],
        typer.Argument(
            metavar="REPORT...",
            help="Reports of any command, at most one of plan; - for one on stdin, NAME=FILE.",
        ),
    ],
    output_file: Annotated[Path, typer.Option("--output", "-o", help="The page: .html.")] = Path(
        "decision.html"
    ),
    images: Annotated[
        int,
        typer.Option(min=0, help="Images to show with their masks, from reports of infer."),
    ] = 4,
    force: Force = False,
) -> None:
    """Put reports on one page to decide by.

    One HTML file to send on, without any other, under 5 MB: what was measured on what, the chosen
    cut and why, the alternatives, where time and energy go, Dice with its intervals against bytes
    and work, true and predicted masks of some images under a slider, and the paper's figures. On
    the page of a plan rates, limits and objective can be turned; table and choice follow by the
    arithmetic of plan. It prints, and asks no network.
    """
    output: Output = ctx.obj
    from splittool.page.building import build_page

    output.emit(build_page(reports, output_file, images, force))
