"""`splittool export`: a checkpoint as OpenVINO IR."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import NO_COMPILER, BlobShaves, Force, TargetOption
from splittool.cli.output import Output
from splittool.quantities import Size, parse_size


def export(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .pt checkpoint.")],
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The .xml to write; its .bin goes beside it. [default: MODEL's name, here]",
        ),
    ] = None,
    size: Annotated[
        Size | None,
        typer.Option(
            metavar="SIZE", parser=parse_size, help="Input height x width. [default: as trained]"
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Precision of the stored weights, f16 or f32.")
    ] = "f16",
    target: TargetOption = "openvino",
    blob_shaves: BlobShaves = None,
    force: Force = False,
) -> None:
    """Convert a checkpoint to OpenVINO IR.

    Pixels go in, probabilities come out. Normalisation and sigmoid are inside the graph; batch
    normalisation is folded into the convolutions. The result is compared with torch on a random
    image. For older runtimes (--target) newer operations are replaced by older ones that compute
    the same. With --target myriad, a .blob is compiled as well, by the vendor's compiler; the
    doctor command says how to get it.
    """
    output: Output = ctx.obj
    from splittool.conversion.export import export as export_checkpoint

    target_file = output_file or Path(model.name).with_suffix(".xml")
    report = export_checkpoint(model, target_file, size, precision, target, blob_shaves, force)
    if target == "myriad" and report.blob is None:
        output.note(NO_COMPILER)
    output.emit(report)
