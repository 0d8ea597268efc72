"""`splittool infer`: masks, overlays and scores from a whole model or from both halves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import Force, Fps, Shapes, positive
from splittool.cli.output import Output
from splittool.progress import counter
from splittool.tables import make_table, short

Fit = Literal["pad", "resize"]
RangesFrom = Literal["frame", "calibrated"]

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.codec.choices import Choice
    from splittool.reports import InferReport, ScoreRecord
    from splittool.runtime.image_ports import Normalisation
    from splittool.split.runners import Pipeline


def infer(
    ctx: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A cut.json, or a .pt, .xml, .onnx or .tflite model."),
    ],
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...", help="Folders, images, .txt lists of paths, or - for such a list."
        ),
    ],
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for masks, overlays, CSV and report.")
    ],
    bits: Annotated[
        str | None,
        typer.Option(
            metavar="BITS",
            help="Of each element on the link, 1 to 16; or TENSOR=BITS,TENSOR=BITS. [default: 16]",
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            metavar="CODEC",
            help="raw: packed; fast: and zstd; small: smallest, slower; or TENSOR=CODEC,..."
            " [default: fast]",
        ),
    ] = None,
    ranges: Annotated[
        RangesFrom | None,
        typer.Option(
            help="Of the quantiser. [default: calibrated where calibrate was run, else frame]"
        ),
    ] = None,
    per_tensor: Annotated[
        bool,
        typer.Option(
            "--per-tensor", help="Ranges of each frame: one for all channels of a tensor."
        ),
    ] = False,
    key_interval: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="For video: send what changed since the frame before, whole frames every N only;"
            " needs calibrated ranges. [default: 1, all whole]",
        ),
    ] = None,
    fps: Fps = None,
    labels: Annotated[
        Path | None, typer.Option(help="True masks. [default: train.csv beside the images]")
    ] = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Do not score.")] = False,
    fit: Annotated[
        Fit | None, typer.Option(help="pad or resize images. [default: as trained]")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Probability from which a pixel is a defect.")
    ] = 0.5,
    device: Annotated[str, typer.Option(help="Of the head or whole model.")] = "CPU",
    precision: Annotated[
        str, typer.Option(help="auto, f32, f16 or bf16; auto is the device's choice.")
    ] = "auto",
    mean: Annotated[
        float | None, typer.Option(help="For another tool's model: it takes (pixel - mean) / scale")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="See --mean.")] = None,
    shape: Shapes = None,
    min_dice: Annotated[
        float | None, typer.Option(help="Exit with 5 if Dice over defective pairs is lower.")
    ] = None,
    force: Force = False,
) -> None:
    """Predict defects, whole or cut.

    A cut runs head and tail with a measured link between them: the crossing tensors are quantised
    to --bits, coded by --codec and framed; the bytes are counted, decoded and given to the tail.
    In the output folder: masks/ (PNG; pixel value c is class c, 0 no defect), overlays/
    (predictions tinted, true outlines), predictions.csv (Kaggle's form) and report.json.
    """
    output: Output = ctx.obj
    from splittool.codec.choices import parse_bits, parse_codecs
    from splittool.errors import OutputError, UsageError
    from splittool.files import write_bytes

    link_options = {
        "--bits": bits,
        "--codec": codec,
        "--ranges": ranges,
        "--key-interval": key_interval,
    }
    for option, value in link_options.items():
        if value is not None and source.suffix != ".json":
            raise UsageError(
                f"{option} is for the link of a cut; {source} runs whole, give a cut.json"
            )
    if no_labels and (labels is not None or min_dice is not None):
        raise UsageError("--no-labels goes with neither --labels nor --min-dice; give one of them")
    if min_dice is not None and not 0 <= min_dice <= 1:
        raise UsageError(f"--min-dice {min_dice:g} is out of range; give 0 to 1")
    if per_tensor and (source.suffix != ".json" or ranges == "calibrated"):
        raise UsageError(
            "--per-tensor is for ranges that come with each frame of a cut; for calibrated ones"
            " give it to splittool calibrate"
        )
    normalisation = normalisation_of(mean, scale)
    if shape and source.suffix == ".json":
        raise UsageError(f"--shape is for a whole model; {source} is a cut, made for one shape")
    choice, codecs = parse_bits(bits), parse_codecs(codec)
    rates = positive(fps or [10.0], "--fps")
    if output_folder.is_dir() and any(output_folder.iterdir()) and not force:
        raise OutputError(
            f"{output_folder} is not empty; give --force to replace files in it or another -o"
        )
    from splittool.reports import encode

    pipeline, cut_at = _open(
        output,
        source,
        choice,
        bits is not None,
        codecs,
        "frame" if per_tensor else ranges,
        key_interval or 1,
        not per_tensor,
        device,
        precision,
        shape or [],
        normalisation,
    )
    report = _run(
        output,
        source,
        pipeline,
        cut_at,
        images,
        output_folder,
        rates,
        labels,
        no_labels,
        fit,
        threshold,
        precision,
    )
    write_bytes(output_folder / "report.json", encode(report))
    output.emit(report, _tables(report))
    _check_dice(report, min_dice)


def _run(
    output: Output,
    source: Path,
    pipeline: "Pipeline",
    cut_at: str | None,
    images: list[str],
    folder: Path,
    rates: list[float],
    labels_path: Path | None,
    no_labels: bool,
    fit: Fit | None,
    threshold: float,
    precision: str,
) -> "InferReport":
    from splittool.data.image_lists import expand_inputs, labels_for
    from splittool.split.evaluation import gather, make_report, predict
    from splittool.split.runners import canvas_of

    paths = expand_inputs(images)
    labels = None if no_labels else labels_for(paths, labels_path)
    canvas = canvas_of(pipeline, fit)
    samples = gather(paths, labels, canvas)
    with output.progress() as progress:
        advance = counter(progress, len(samples), "images")
        predictions = predict(pipeline, canvas, samples, labels, folder, threshold, advance)
    return make_report(
        source,
        cut_at,
        folder,
        pipeline,
        precision,
        threshold,
        rates,
        predictions,
    )


def normalisation_of(mean: float | None, scale: float | None) -> "Normalisation | None":
    """What --mean and --scale say.

    Raises:
        UsageError: One is missing, or nothing can be divided by it.
    """
    from splittool.errors import UsageError
    from splittool.runtime.image_ports import Normalisation

    if (mean is None) != (scale is None):
        raise UsageError("--mean and --scale go together; give both")
    if mean is None or scale is None:
        return None
    if scale == 0:
        raise UsageError("--scale 0 is out of range; give what to divide pixels by")
    return Normalisation(mean, scale)


def _open(
    output: Output,
    source: Path,
    bits: "Choice[int]",
    bits_given: bool,
    codecs: "Choice[str]",
    ranges: RangesFrom | None,
    key_interval: int,
    per_channel: bool,
    device: str,
    precision: str,
    shapes: list[str],
    normalisation: "Normalisation | None",
) -> "tuple[Pipeline, str | None]":
    """The whole model or both halves, and where the cut is."""
    from splittool.split.runners import SplitPipeline, WholePipeline

    if source.suffix != ".json":
        return WholePipeline(source, device, precision, shapes, normalisation), None
    from splittool.reports import CutReport, read_report
    from splittool.split.calibration_file import chosen_bits
    from splittool.split.link import open_link

    cut = read_report(source, CutReport)
    names = [tensor.name for tensor in cut.split.tensors]
    found = None if bits_given else chosen_bits(source)
    widths = {**bits.of(names), **(found or {})}
    link = open_link(source, cut, widths, codecs.of(names), ranges, key_interval, per_channel)
    if link.note:
        output.note(f"note: {link.note}")
    return SplitPipeline(source, cut, link, device, precision, normalisation), cut.split.point


def _check_dice(report: "InferReport", min_dice: float | None) -> None:
    from splittool.errors import InputError, ThresholdError

    if min_dice is None:
        return
    if report.scores is None or report.scores.dice is None:
        raise InputError("--min-dice needs labels with defects; give them with --labels")
    if report.scores.dice < min_dice:
        raise ThresholdError(
            f"Dice over defective pairs is {report.scores.dice:.4f}, below --min-dice {min_dice:g};"
            " give more --bits, another cut or a better model"
        )


def _tables(report: "InferReport") -> "list[Table | str]":
    rows = [
        ["images", str(report.images)],
        ["images per second", short(report.images_per_second, 1)],
        ["precision (asked for)", f"{report.precision_actual} ({report.precision_requested})"],
    ]
    if report.payload_bytes_per_frame is not None:
        rows += _link_rows(report)
    rows += [
        ["bytes per frame, image files", f"{report.image_file_bytes_per_frame:,.0f}"],
        ["bytes per frame, raw pixels", f"{report.raw_image_bytes_per_frame:,.0f}"],
    ]
    rows += [[f"Mbit/s at {fps} FPS", short(rate, 2)] for fps, rate in report.mbps.items()]
    if report.scores:
        rows += [
            ["Dice over defective pairs", _with_interval(report.scores)],
            *([f"  class {n}", short(v, 4)] for n, v in report.scores.dice_per_class.items()),
            ["Dice over all pixels of a class", short(report.scores.pooled_dice, 4)],
            ["Kaggle metric", short(report.scores.kaggle, 4)],
            ["  its floor (nothing predicted)", short(report.scores.floor, 4)],
        ]
    bits = "mixed" if report.bits is None else report.bits
    how = f"cut at {report.cut}, {bits} bits" if report.cut else "whole"
    return [
        make_table(f"{report.source.path}, {how}", ["", "value"], rows),
        f"wrote masks/, overlays/, predictions.csv and report.json to {report.folder}",
    ]


def _link_rows(report: "InferReport") -> list[list[str]]:
    """What the link did; bits by tensor only where they differ."""
    mixed = report.bits_per_tensor if report.bits is None and report.bits_per_tensor else {}
    interval = report.key_interval or 1
    return [
        ["codec (ranges)", f"{report.codec} ({_ranges(report)})"],
        *([["frames that stand alone", f"1 of {interval}"]] if interval > 1 else []),
        *([f"codec of {name}", codec] for name, codec in (report.codec_per_tensor or {}).items()),
        *([f"bits of {name}", str(bits)] for name, bits in mixed.items()),
        ["bytes per frame, crossing tensors", f"{report.payload_bytes_per_frame:,.0f}"],
        ["bits per element, all bytes counted", short(report.bits_per_element)],
        ["bits per pixel of the image", short(report.bits_per_pixel)],
        ["encoding, ms per frame", short(report.encode_ms, 1)],
        ["decoding, ms per frame", short(report.decode_ms, 1)],
    ]


def _ranges(report: "InferReport") -> str:
    return f"{report.ranges}{', per tensor' if report.ranges_per == 'tensor' else ''}"


def _with_interval(scores: "ScoreRecord") -> str:
    if scores.dice_interval is None:
        return short(scores.dice, 4)
    low, high = scores.dice_interval
    return f"{short(scores.dice, 4)} ({low:.2f}-{high:.2f})"
