"""`splittool synth`: synthetic steel in Kaggle's layout."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import Force
from splittool.cli.output import Output
from splittool.quantities import Size, parse_size

DEFAULT_SIZE = Size(256, 1600)


def synth(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    images: Annotated[int, typer.Option(min=1, max=100_000, help="Number of images.")] = 64,
    size: Annotated[
        Size,
        typer.Option(
            metavar="SIZE",
            parser=parse_size,
            show_default="256x1600",
            help="Height x width of each image.",
        ),
    ] = DEFAULT_SIZE,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same images.")] = 0,
    force: Force = False,
) -> None:
    """Make synthetic steel sheets with masks.

    The sheets have defects of four classes, and a mask for each class.

    The folder has the layout of Kaggle's Severstal competition: train_images/ and train.csv. About
    half of the images are clean, as in the real set.
    """
    output: Output = ctx.obj
    from splittool.data.synthetic_folder import write_synthetic

    with output.progress() as progress:
        report = write_synthetic(folder, images, size.height, size.width, seed, force, progress)
    output.emit(report)
