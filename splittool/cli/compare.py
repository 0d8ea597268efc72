"""`splittool compare`: cuts beside the compressed input, on labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splittool.cli.options import (
    EdgeEnergyOption,
    FitOption,
    Force,
    ImagesArgument,
    LabelsOption,
    MaxPixelsOption,
    MeanOption,
    ModelArgument,
    PrecisionOption,
    RadioOption,
    RuntimeOption,
    ScaleOption,
    Shapes,
    ThresholdOption,
    Trust,
    link_option,
    run_options,
)
from splittool.cli.output import Output
from splittool.errors import UsageError
from splittool.quantities import Link
from splittool.vocabulary import MAX_PIXELS

if TYPE_CHECKING:
    from splittool.reports import Report


def compare(
    ctx: typer.Context,
    model: ModelArgument,
    images: ImagesArgument,
    at: Annotated[
        list[str] | None,
        typer.Option(help="A split point; repeat. [default: all that the network names]"),
    ] = None,
    bits: Annotated[str, typer.Option(help="Bits per element, such as 8,4.")] = "16,8,6,4,3,2",
    codec: Annotated[
        str | None,
        typer.Option(help="Codecs of the link. [default: raw,fast,small, where installed]"),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(help="Image formats of the input, such as jpeg,png. [default: all there are]"),
    ] = None,
    qualities: Annotated[
        str, typer.Option(help="Qualities of lossy image formats, 1 to 100.")
    ] = "95,85,75,50,30,20,10,5",
    half_size: Annotated[
        bool,
        typer.Option(
            "--half-size/--no-half-size",
            help="Send the input at half its height and width, too.",
        ),
    ] = True,
    cloud: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            help="Another network of the same classes, in the cloud behind the compressed input;"
            " repeat.",
        ),
    ] = None,
    device_network: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MODEL",
            help="Another network of the same classes, wholly on the device; repeat.",
        ),
    ] = None,
    cut: Annotated[
        list[Path] | None,
        typer.Option(metavar="CUT", help="A cut.json, sent as infer does by default; repeat."),
    ] = None,
    at_dice: Annotated[
        list[float] | None,
        typer.Option(
            help="Dice to give the bytes of each way for; repeat. [default: that of the whole"
            " network, and 0.005 less]"
        ),
    ] = None,
    edge_energy: EdgeEnergyOption = None,
    radio: RadioOption = None,
    link: Annotated[
        Link | None, link_option("At whose rate the radio sends, for energy: such as 20Mbps.")
    ] = None,
    labels: LabelsOption = None,
    fit: FitOption = None,
    threshold: ThresholdOption = 0.5,
    mean: MeanOption = None,
    scale: ScaleOption = None,
    device: Annotated[
        str, typer.Option(help="Device of everything; of ONNX Runtime CPU, CUDA, TensorRT.")
    ] = "CPU",
    runtime: RuntimeOption = "openvino",
    precision: PrecisionOption = "auto",
    max_pixels: MaxPixelsOption = MAX_PIXELS,
    shape: Shapes = None,
    trust: Trust = False,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="REPORT",
            help="Write the JSON report there, and print the tables; a stopped run keeps what it"
            " compared beside it.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run with -o left off.")
    ] = False,
    force: Force = False,
) -> None:
    """Compare cuts with compressed images and coded masks.

    For every split point, precision and codec, for image formats at several qualities, and for the
    whole network on the device with its coded masks sent: bytes per frame, Dice with its interval
    over images, GFLOPs and parameters on both sides. Frames, image files and masks are really
    coded. --cloud, --device-network and --cut add other networks of the same classes; one with an
    open input gets the shape of MODEL's. Bytes at equal Dice are interpolated between six rates or
    more, never beyond them. The network is not trained on compressed images unless it was: see
    train --augment-jpeg. splittool plot draws the report. With --edge-energy, --radio and --link
    each way has the energy of the device for a frame: joules per GFLOP x GFLOPs on the device +
    (mW per Mbit/s x rate + base mW) x time of the transfer; plan has the radios by name. A network
    that draws no masks, such as a classifier, is not scored: the outputs of every way are held
    against its own on the images as they are.
    """
    output: Output = ctx.obj
    given = locals()
    if resume and report_file is None:
        raise UsageError("--resume goes with -o: name the report of the stopped run")
    from splittool.network.arm_energy import EnergyOptions
    from splittool.network.compare_options import CompareOptions, Rivals
    from splittool.network.comparison import compare as compare_network
    from splittool.network.network import Network
    from splittool.network.output_comparison import compare_outputs, draws_masks
    from splittool.quantities import parse_numbers, parse_words

    how = CompareOptions(
        None if codec is None else parse_words(codec),
        None if formats is None else parse_words(formats),
        parse_numbers(qualities),
        run_options(given),
        half_size,
        Rivals(cloud or (), device_network or (), cut or (), trust),
        at_dice or None,
        report_file,
        resume,
        force,
        EnergyOptions(edge_energy, radio, link),
    )
    numbers = parse_numbers(bits)
    network = Network.load(model, shape, trust)
    scored = labels is not None or draws_masks(network, how.run.normalisation)
    report: Report
    with output.progress() as progress:
        if scored:
            report = compare_network(network, images, at, numbers, labels, how, progress)
        else:
            report = compare_outputs(network, images, at, numbers, how, progress)
    output.emit(report, kept=report_file is not None)
