"""`splittool calibrate`: the quantiser's ranges for a cut, chosen from images."""

from pathlib import Path
from typing import Annotated

import typer

from splittool.cli.options import (
    FitOption,
    Force,
    ImagesArgument,
    LabelsOption,
    MaxPixelsOption,
    MeanOption,
    PrecisionOption,
    ScaleOption,
    ThresholdOption,
    run_options,
)
from splittool.cli.output import Output
from splittool.vocabulary import MAX_PIXELS, RangesMethod


def calibrate(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="CUT", help="A cut.json.")],
    images: ImagesArgument,
    bits: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BITS",
            help="1 to 16, or TENSOR=BITS,TENSOR=BITS; repeat for several."
            " [default: 16, 8, 6, 4, 3 and 2]",
        ),
    ] = None,
    method: Annotated[
        RangesMethod,
        typer.Option(
            help="min-max, a percentile, the best of these for each tensor, or by mse for each"
            " channel."
        ),
    ] = "best",
    per_tensor: Annotated[
        bool, typer.Option("--per-tensor", help="Choose one range for all channels of a tensor.")
    ] = False,
    auto_bits: Annotated[
        bool,
        typer.Option("--auto-bits", help="Find the fewest bits of each tensor; needs labels."),
    ] = False,
    max_dice_loss: Annotated[
        float, typer.Option(min=0, help="Dice over defective pairs that --auto-bits may lose.")
    ] = 0.005,
    labels: LabelsOption = None,
    threshold: ThresholdOption = 0.5,
    output_file: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="[default: calibration.json beside the cut.json]"),
    ] = None,
    fit: FitOption = None,
    device: Annotated[str, typer.Option(help="Device of the head.")] = "CPU",
    precision: PrecisionOption = "auto",
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    mean: MeanOption = None,
    scale: ScaleOption = None,
    force: Force = False,
) -> None:
    """Choose the quantiser's ranges from images.

    The head runs over the images, and calibration.json beside the cut.json takes down the ranges of
    everything that crosses, for each precision. infer then uses them: no ranges travel with the
    frames, and what the images seldom show is clipped for finer steps in the rest. Give images of
    the training set, not those to be scored.

    --auto-bits then lowers the bits of one tensor after the other as long as the measured Dice
    allows; infer without --bits uses what it found.
    """
    output: Output = ctx.obj
    given = locals()
    from splittool.errors import UsageError
    from splittool.split.calibration import CalibrationOptions
    from splittool.split.calibration_file import FILE_NAME
    from splittool.split.split_network import SplitNetwork

    if auto_bits and bits:
        raise UsageError("--auto-bits finds the bits; leave out --bits")
    loss = max_dice_loss if auto_bits else None
    how = CalibrationOptions(method, not per_tensor, loss, run_options(given))
    split = SplitNetwork.open(source)
    with output.progress() as progress:
        report = split.calibrate(images, bits, how, labels, output_file, force, progress)
    output.emit(report, written=output_file or source.parent / FILE_NAME)
