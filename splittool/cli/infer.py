"""`splittool infer`: masks, overlays and scores from a whole network or from both halves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import (
    BitsOption,
    CodecOption,
    FitOption,
    Force,
    Fps,
    ImagesArgument,
    LabelsOption,
    MaxPixelsOption,
    MeanOption,
    PrecisionOption,
    RangesOption,
    RuntimeOption,
    ScaleOption,
    Shapes,
    ThresholdOption,
    Trust,
    positive,
    run_options,
)
from splittool.cli.output import Output
from splittool.errors import UsageError
from splittool.vocabulary import MAX_PIXELS

if TYPE_CHECKING:
    from splittool.reports import InferReport


def infer(
    ctx: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A cut.json, or a network, as cut takes it."),
    ],
    images: ImagesArgument,
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for masks, overlays, CSV and report.")
    ] = Path("predictions"),
    bits: BitsOption = None,
    codec: CodecOption = None,
    ranges: RangesOption = None,
    per_tensor: Annotated[
        bool,
        typer.Option(
            "--per-tensor", help="Send one range for all channels of a tensor with each frame."
        ),
    ] = False,
    key_interval: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="For video: send what changed since the frame before, and whole frames only every"
            " N; needs calibrated ranges. [default: 1, all whole]",
        ),
    ] = None,
    fps: Fps = None,
    labels: LabelsOption = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Do not score.")] = False,
    fit: FitOption = None,
    threshold: ThresholdOption = 0.5,
    device: Annotated[
        str,
        typer.Option(
            help="Device of the head or whole network; of ONNX Runtime CPU, CUDA, TensorRT."
        ),
    ] = "CPU",
    tail_device: Annotated[
        str | None, typer.Option(help="Device of the tail. [default: CPU]")
    ] = None,
    runtime: RuntimeOption = "openvino",
    precision: PrecisionOption = "auto",
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    mean: MeanOption = None,
    scale: ScaleOption = None,
    shape: Shapes = None,
    trust: Trust = False,
    min_dice: Annotated[
        float | None, typer.Option(help="Exit with 5 if Dice over defective pairs is lower.")
    ] = None,
    max_dice_loss: Annotated[
        float | None,
        typer.Option(
            help="Run the whole network along, and exit with 5 if the link loses more of its Dice."
        ),
    ] = None,
    max_mbps: Annotated[
        float | None,
        typer.Option(help="Exit with 5 if more Mbit/s are sent at one of --fps (default 10)."),
    ] = None,
    beside_whole: Annotated[
        bool,
        typer.Option(
            "--beside-whole", help="For a cut: run the whole network along; say what is lost."
        ),
    ] = False,
    force: Force = False,
) -> None:
    """Predict defects, whole or split.

    A cut runs head and tail with a measured link between them: the crossing tensors are quantised
    to --bits, coded by --codec and framed; the bytes are counted, decoded and given to the tail.
    In the output folder: masks/ (PNG; pixel value c is class c, 0 no defect), overlays/
    (predictions tinted, true outlines), predictions.csv (Kaggle's form) and report.json.
    """
    output: Output = ctx.obj
    given = locals()
    from splittool.network.network import Network
    from splittool.split.options import LinkOptions
    from splittool.split.split_network import SplitNetwork

    _check(given)
    options = run_options(given)
    truth: Path | Literal[False] | None = False if no_labels else labels
    with output.progress() as progress:
        if source.suffix == ".json":
            link = LinkOptions(bits, codec, ranges, not per_tensor, key_interval or 1)
            split = SplitNetwork.open(source)
            if note := split.link(link).note:
                output.note(f"note: {note}")
            report = split.evaluate(
                images, labels=truth, folder=output_folder, options=options, link=link,
                progress=progress,
            )  # fmt: skip
        else:
            network = Network.load(source, shape, trust)
            report = network.evaluate(images, truth, output_folder, options, progress)
    if report.scores is None and truth is not False and not report.outputs:
        output.note("note: no train.csv beside the images: nothing is scored; give --labels")
    output.emit(report)
    _check_limits(report, given)


def _check(given: dict[str, Any]) -> None:
    """Refuse options that do not go together, before any work."""
    from splittool.codec.choices import parse_bits, parse_codecs
    from splittool.errors import OutputError

    source, folder = given["source"], given["output_folder"]
    _check_link(source, given)
    for name in ("labels", "min_dice", "max_dice_loss"):
        if given["no_labels"] and given[name] is not None:
            raise UsageError(f"--no-labels does not go with {_option(name)}; give one of them")
    for name in ("min_dice", "max_dice_loss"):
        if given[name] is not None and not 0 <= given[name] <= 1:
            raise UsageError(f"{_option(name)} {given[name]:g} is out of range; give 0 to 1")
    positive([] if given["max_mbps"] is None else [given["max_mbps"]], "--max-mbps")
    parse_bits(given["bits"])
    parse_codecs(given["codec"])
    if folder.is_dir() and any(folder.iterdir()) and not given["force"]:
        raise OutputError(
            f"{folder} is not empty; give --force to replace files in it or another -o"
        )


def _check_link(source: Path, given: dict[str, Any]) -> None:
    """Refuse what only a cut has, or only a whole model."""
    whole = source.suffix != ".json"
    for name in ("bits", "codec", "ranges", "key_interval", "max_dice_loss", "beside_whole"):
        if whole and given[name] is not None and given[name] is not False:
            raise UsageError(
                f"{_option(name)} is for the link of a cut; {source} runs whole, give a cut.json"
            )
    if given["per_tensor"] and (whole or given["ranges"] == "calibrated"):
        raise UsageError(
            "--per-tensor is for ranges that come with each frame of a cut; for calibrated ones"
            " give it to splittool calibrate"
        )
    if given["tail_device"] and whole:
        raise UsageError(f"--tail-device is for the tail of a cut; {source} runs whole")
    if given["shape"] and not whole:
        raise UsageError(f"--shape is for a whole model; {source} is a cut, made for one shape")


def _option(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def _check_limits(report: "InferReport", given: dict[str, Any]) -> None:
    """Say what does not keep to the limits that were given.

    Raises:
        InputError: What a limit is of is not known: there are no labels, or no bytes.
        ThresholdError: A limit is not kept.
    """
    from splittool.errors import InputError, ThresholdError

    dice = report.scores.dice if report.scores else None
    loss = report.whole.dice_loss if report.whole else None
    rate = max(report.mbps.values(), default=None)
    labels = "needs labels with defects; give them with --labels"
    broken = []
    for name, value, lacking, words in (
        ("min_dice", dice, labels, "Dice over defective pairs is {:.4f}, below"),
        ("max_dice_loss", loss, labels, "the link loses {:.4f} of Dice, above"),
        ("max_mbps", rate, "needs image files or a cut", "{:.4g} Mbit/s are sent, above"),
    ):
        limit = given[name]
        if limit is None:
            continue
        if value is None:
            raise InputError(f"{_option(name)} {lacking}")
        if value < limit if name == "min_dice" else value > limit:
            broken.append(f"{words.format(value)} {_option(name)} {limit:g}")
    if broken:
        bits = "fewer" if "--max-mbps" in broken[-1] else "more"
        raise ThresholdError(
            f"{'; '.join(broken)}; give {bits} --bits, another cut or a better model"
        )
