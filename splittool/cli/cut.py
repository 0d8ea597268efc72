"""`splittool cut`: head and tail of a network, and the proof that they are the whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import (
    BlobShaves,
    Force,
    ModelArgument,
    Shapes,
    Trust,
    compiler_for,
)
from splittool.cli.output import Output
from splittool.vocabulary import HalfTargetName

if TYPE_CHECKING:
    from splittool.network.network import Network
    from splittool.split.files import Form


def cut(
    ctx: typer.Context,
    model: ModelArgument,
    at: Annotated[
        list[str] | None,
        typer.Option(help="Split point: the name of an operation; repeat to cut after several."),
    ] = None,
    list_points: Annotated[
        bool,
        typer.Option("--list", help="List the split points with names, or else every operation."),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List every split point, in topological order.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Prove every cut listed; a cut that is made always is."),
    ] = False,
    shape: Shapes = None,
    trust: Trust = False,
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for head, tail and cut.json.")
    ] = Path(),
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Largest difference allowed, as a share of the output's range."),
    ] = 1e-5,
    calibrate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IMAGES",
            help="Choose the quantiser's ranges from these images, too, as splittool calibrate"
            " does; repeat.",
        ),
    ] = None,
    bake_bits: Annotated[
        Literal["8", "4"] | None,
        typer.Option(help="Put the quantiser of a calibrated cut.json into head and tail."),
    ] = None,
    target: Annotated[
        HalfTargetName,
        typer.Option(
            help="What to write both halves for: openvino (the one installed), openvino-2022"
            " (2022.3), myriad (2021.x, with a .blob where the compiler is), or onnx."
        ),
    ] = "openvino",
    head_target: Annotated[
        HalfTargetName | None, typer.Option(help="The head's target. [default: --target]")
    ] = None,
    tail_target: Annotated[
        HalfTargetName | None, typer.Option(help="The tail's target. [default: --target]")
    ] = None,
    blob_shaves: BlobShaves = None,
    force: Force = False,
) -> None:
    """Cut a network into head and tail.

    head.xml runs on the device, tail.xml in the cloud. The head of a cut at X is X and all its
    ancestors. Every tensor that crosses the cut, skip connections included, is an output of the
    head and an input of the tail. Head, tail and whole are run on the same input; a difference
    above the tolerance fails the command. --all prices each split point in topological order: all
    operations up to there are the head. Where several branches end there, it names them all, and
    one --at for each makes that cut.

    Halves for onnx are cut out of the .onnx file itself, whose names, weights and notes they keep;
    a .pt is exported first. They are proved in ONNX Runtime, and with each half in OpenVINO.

    With --bake-bits, MODEL is the cut.json of a cut that splittool calibrate has seen: the new head
    puts out bytes, the new tail takes them, as the codec would send them.
    """
    output: Output = ctx.obj
    from splittool.errors import UsageError
    from splittool.network.network import Network

    if bake_bits:
        if at or list_points or every or calibrate or model.suffix != ".json":
            raise UsageError(
                "--bake-bits takes a calibrated cut.json, and no --at, --list, --all or --calibrate"
            )
        from splittool.split.split_network import SplitNetwork

        baked = SplitNetwork.open(model).bake(
            8 if bake_bits == "8" else 4, output_folder, tolerance, force
        )
        output.emit(baked.report)
        return
    if (list_points or every) == bool(at):
        raise UsageError("give either --at NAME to cut, or --list or --all to see where")
    if calibrate and not at:
        raise UsageError("--calibrate is for a cut that is made; give --at NAME")
    network = Network.load(model, shape, trust)
    if not at:
        _list(output, network, every, verify, tolerance)
        return
    if calibrate:
        _check_calibration(calibrate, output_folder, force)
    form = _form(output, head_target or target, tail_target or target, blob_shaves)
    if "onnx" in form.targets:
        network = network.in_onnx()
    split = network.cut(*at).write(output_folder, tolerance, form, force)
    if calibrate:
        with output.progress() as progress:
            split.calibrate(calibrate, force=force, progress=progress)
    output.emit(split.report, folder=output_folder, calibrated=bool(calibrate))


def _form(output: Output, head: str, tail: str, shaves: int | None) -> "Form":
    """What to write the halves for."""
    from splittool.split.files import Form

    other = tail if tail != head else None
    if head in ("openvino", "onnx") and not shaves:
        return Form(head, tail_target=other)
    return Form(head, compiler_for(output, head, shaves), shaves, other)


def _check_calibration(images: list[str], folder: Path, force: bool) -> None:
    """Find what is wrong with the images, or in the way of a calibration, before the cut."""
    from splittool.data.samples import expand_inputs
    from splittool.files import refuse_existing
    from splittool.split.calibration_file import FILE_NAME

    if folder.exists():
        refuse_existing([folder / FILE_NAME], force)
    expand_inputs(images)


def _list(output: Output, network: "Network", every: bool, verify: bool, tolerance: float) -> None:
    """Show the split points; those that were found wanting, too, before the error."""
    from splittool.errors import VerificationError

    with output.progress() as progress:
        try:
            report = network.cuts(every, verify, tolerance, progress)
        except VerificationError as error:
            if error.report is not None:
                output.emit(error.report)
            raise
    output.emit(report)
