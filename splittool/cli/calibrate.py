"""`splittool calibrate`: the quantiser's ranges for a cut, chosen from images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.infer import Fit, normalisation_of
from splittool.cli.options import Force
from splittool.cli.output import Output, make_table

Method = Literal["best", "min-max", "percentile", "mse"]

_DEFAULT_BITS = ["16", "8", "6", "4", "3", "2"]

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import CalibrationReport


def calibrate(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="CUT", help="A cut.json.")],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...", help="Folders, images, .txt lists of paths, or - for such a list."
        ),
    ],
    bits: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BITS",
            help="1 to 16, or TENSOR=BITS,TENSOR=BITS; repeat for several."
            " [default: 16, 8, 6, 4, 3 and 2]",
        ),
    ] = None,
    method: Annotated[
        Method,
        typer.Option(
            help="Best of min-max and percentiles per tensor, one of them, or per channel."
        ),
    ] = "best",
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="[default: calibration.json beside the cut.json]"),
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="pad or resize images. [default: as trained]")
    ] = None,
    device: Annotated[str, typer.Option(help="Of the head.")] = "CPU",
    precision: Annotated[
        str, typer.Option(help="auto, f32, f16 or bf16; auto is the device's choice.")
    ] = "auto",
    mean: Annotated[
        float | None, typer.Option(help="For another tool's model: it takes (pixel - mean) / scale")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="See --mean.")] = None,
    force: Force = False,
) -> None:
    """Choose the quantiser's ranges for a cut from images.

    Runs the head over the images and stores a range for each channel of each crossing tensor and
    each precision. infer uses them where they lie beside the cut.json: no ranges travel with the
    frames, and what the images seldom show is clipped for finer steps in the rest. Give images of
    the training set, not those to be scored.
    """
    output: Output = ctx.obj
    from splittool.codec.limits import parse_bits
    from splittool.files import refuse_existing, write_bytes
    from splittool.reports import CutReport, encode, read_report
    from splittool.runtime import calibrating
    from splittool.runtime.calibrations import FILE_NAME
    from splittool.runtime.inference import gather
    from splittool.runtime.inputs import expand_inputs
    from splittool.runtime.pipelines import HeadPipeline, canvas_of

    choices = [parse_bits(text) for text in bits or _DEFAULT_BITS]
    normalisation = normalisation_of(mean, scale)
    cut = read_report(source, CutReport)
    wanted = [choice.of([tensor.name for tensor in cut.split.tensors]) for choice in choices]
    target = output_file or source.parent / FILE_NAME
    refuse_existing([target], force)
    head = HeadPipeline(source, cut, device, precision, normalisation)
    canvas = canvas_of(head, fit)
    samples = gather(expand_inputs(images), None, canvas)
    with output.progress() as progress:
        task = progress.add_task("images", total=len(samples))
        report = calibrating.calibrate(
            head, canvas, samples, wanted, method, lambda: progress.advance(task)
        )
    write_bytes(target, encode(report))
    output.emit(report, _tables(report, source, target))


def _tables(report: "CalibrationReport", source: Path, target: Path) -> "list[Table | str]":
    rows = [
        [tensor.name, str(found.bits), found.chosen, f"{min(found.low):.4g}", f"{top:.4g}"]
        for tensor in report.tensors
        for found in tensor.ranges
        for top in [
            max(
                low + step * (2**found.bits - 1)
                for low, step in zip(found.low, found.step, strict=True)
            )
        ]
    ]
    return [
        make_table(
            f"{source} over {report.images} images",
            ["crossing tensor", "bits", "ranges", "lowest", "highest"],
            rows,
        ),
        f"wrote {target}",
    ]
