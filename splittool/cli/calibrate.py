"""`splittool calibrate`: the quantiser's ranges for a cut, chosen from images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.infer import Fit, normalisation_of
from splittool.cli.options import Force
from splittool.cli.output import Output
from splittool.progress import counter
from splittool.tables import make_table

Method = Literal["best", "min-max", "percentile", "mse"]

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.data.images import Canvas
    from splittool.data.kaggle import Labels, Sample
    from splittool.reports import CalibrationReport, CutReport, SearchRecord
    from splittool.split.runners import HeadPipeline


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
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="One range for all channels of a tensor.")
    ] = False,
    auto_bits: Annotated[
        bool,
        typer.Option("--auto-bits", help="Find the fewest bits of each tensor; needs labels."),
    ] = False,
    max_dice_loss: Annotated[
        float, typer.Option(min=0, help="What --auto-bits may cost of Dice over defective pairs.")
    ] = 0.005,
    labels: Annotated[
        Path | None, typer.Option(help="True masks. [default: train.csv beside the images]")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Probability from which a pixel is a defect.")
    ] = 0.5,
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

    --auto-bits then lowers the bits of one tensor after the other as long as the measured Dice
    allows; infer without --bits uses what it found.
    """
    output: Output = ctx.obj
    from splittool.codec.choices import CALIBRATED_BITS, parse_bits
    from splittool.data.image_lists import expand_inputs, labels_for
    from splittool.errors import UsageError
    from splittool.files import refuse_existing, write_bytes
    from splittool.reports import CutReport, encode, read_report
    from splittool.split import calibration as calibrating
    from splittool.split.bit_search import LADDER
    from splittool.split.calibration_file import FILE_NAME
    from splittool.split.evaluation import gather
    from splittool.split.runners import HeadPipeline, canvas_of

    if auto_bits and bits:
        raise UsageError("--auto-bits finds the bits; leave out --bits")
    known = LADDER if auto_bits else CALIBRATED_BITS
    choices = [parse_bits(text) for text in bits or map(str, known)]
    normalisation = normalisation_of(mean, scale)
    cut = read_report(source, CutReport)
    wanted = [choice.of([tensor.name for tensor in cut.split.tensors]) for choice in choices]
    target = output_file or source.parent / FILE_NAME
    refuse_existing([target], force)
    head = HeadPipeline(source, cut, device, precision, normalisation)
    canvas = canvas_of(head, fit)
    paths = expand_inputs(images)
    found = labels_for(paths, labels) if auto_bits else None
    samples = gather(paths, found, canvas)
    with output.progress() as progress:
        advance = counter(progress, len(samples), "images")
        report = calibrating.calibrate(
            head, canvas, samples, wanted, method, advance, not per_tensor
        )
    if auto_bits:
        report.search = _search(
            output, source, cut, report, head, samples, found, canvas, threshold, max_dice_loss
        )
    write_bytes(target, encode(report))
    output.emit(report, _tables(report, source, target))


def _search(
    output: Output,
    source: Path,
    cut: "CutReport",
    report: "CalibrationReport",
    head: "HeadPipeline",
    samples: "list[Sample]",
    labels: "Labels | None",
    canvas: "Canvas",
    threshold: float,
    max_loss: float,
) -> "SearchRecord":
    from splittool.errors import InputError
    from splittool.split.bit_search import LADDER, Judge, search_bits
    from splittool.split.calibration_file import with_ranges
    from splittool.split.evaluation import class_names
    from splittool.split.runners import TailPipeline

    if labels is None:
        raise InputError("--auto-bits measures Dice, which needs labels; give --labels")
    tail = TailPipeline(source, cut, head, "auto")
    classes = class_names(head.info.classes, labels, tail.maps)
    specs = with_ranges(report, head.specs, source)
    judge = Judge(head, tail, specs, samples, classes, canvas, threshold)
    with output.progress() as progress:
        advance = counter(progress, len(specs) * (len(LADDER) - 1), "searching bits")
        return search_bits(judge, max_loss, advance)


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
        *([_found(report.search)] if report.search else []),
        f"wrote {target}",
    ]


def _found(search: "SearchRecord") -> str:
    bits = ", ".join(f"{name} {number}" for name, number in search.bits.items())
    return (
        f"fewest bits: {bits}; Dice {search.dice:.4f} of {search.dice_unquantised:.4f}"
        f" (--max-dice-loss {search.max_dice_loss:g}), {search.measurements} measurements"
    )
