"""`splittool data`: data sets of other tools into the layout that `train` and `infer` read."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.main import Command
from splittool.cli.options import Force
from splittool.cli.output import Output

SourceArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to read.")]
TargetOption = Annotated[
    Path,
    typer.Option("--output", "-o", help="The folder to make, such as steel/."),
]

data = typer.Typer(
    help="Bring data sets into the layout that train and infer read.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
imports = typer.Typer(
    help="Import COCO annotations or folders of masks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
data.add_typer(imports, name="import")


@imports.command(cls=Command)
def coco(
    ctx: typer.Context,
    folder: SourceArgument,
    output_folder: TargetOption = Path("dataset"),
    annotations: Annotated[
        Path | None,
        typer.Option(help="The file of instances. [default: the only .json in FOLDER]"),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Where the file names begin. [default: FOLDER, its images/, or the folder that"
            " the annotations are named after]"
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Import COCO annotations.

    Polygons, run lengths and compressed run lengths become masks; regions of one category on one
    image, those of crowds included, become one. The categories' names become those of the classes.
    Image files are copied as they are.

    Polygons need pycocotools: pip install 'splittool[coco]'.
    """
    output: Output = ctx.obj
    from splittool.data.coco import import_coco

    with output.progress() as progress:
        report = import_coco(folder, output_folder, annotations, images, force, progress)
    output.emit(report)


@imports.command(cls=Command)
def masks(
    ctx: typer.Context,
    folder: SourceArgument,
    output_folder: TargetOption = Path("dataset"),
    ignore: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=65535, help="A value that means no class, such as 255; repeat for several."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Import images and PNG masks.

    FOLDER holds images/ and masks/. Either each image has one mask of the same name, in which the
    value (or the index of the palette) 0 means no class and c class c; or masks/ has a folder for
    each class, named after it, with binary masks for the images that show it. Image files are
    copied as they are.
    """
    output: Output = ctx.obj
    from splittool.data.mask_folders import import_masks

    with output.progress() as progress:
        report = import_masks(folder, output_folder, ignore or (), force, progress)
    output.emit(report)
