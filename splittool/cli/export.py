"""`splittool export`: a checkpoint as OpenVINO IR, or a cut as a model repository of a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splittool.cli.options import NO_COMPILER, BlobShaves, Force, Shapes, Trust
from splittool.cli.output import Output
from splittool.quantities import Size, parse_size
from splittool.vocabulary import ExportTargetName

if TYPE_CHECKING:
    from splittool.reports import ExportReport, Report

_OF_CHECKPOINTS = ("size", "precision", "blob_shaves")
_OF_PROGRAMS = ("shape",)
_OF_TRITON = ("instances", "queue")


def export(
    ctx: typer.Context,
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A .pt checkpoint; for servers a cut.json."),
    ],
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The .xml to write, its .bin goes beside it; or the folder of a repository."
            " [default: MODEL's name, here; or repository/]",
        ),
    ] = None,
    size: Annotated[
        Size | None,
        typer.Option(
            metavar="SIZE", parser=parse_size, help="Input height x width. [default: as trained]"
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Precision of the stored weights, f16 or f32. [default: f16]"),
    ] = None,
    target: Annotated[
        ExportTargetName,
        typer.Option(
            help="What to write for: openvino (the one installed), openvino-2022 (2022.3), myriad"
            " (2021.x, with a .blob where the compiler is); of a cut: triton, or ovms for a baked"
            " one.",
        ),
    ] = "openvino",
    blob_shaves: BlobShaves = None,
    instances: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes in Triton that run the tail. [default: 1]"),
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(
            min=1, max=65536, help="Frames that wait in Triton; more are refused. [default: 32]"
        ),
    ] = None,
    shape: Shapes = None,
    trust: Trust = False,
    force: Force = False,
) -> None:
    """Convert a checkpoint to OpenVINO IR, or a cut for a server.

    Pixels go in, probabilities come out. Normalisation and sigmoid are inside the graph; batch
    normalisation is folded into the convolutions. The result is compared with torch on a random
    image. For older runtimes (--target) newer operations are replaced by older ones that compute
    the same. With --target myriad, a .blob is compiled as well, by the vendor's compiler; the
    doctor command says how to get it.

    A program of PyTorch, a .pt2 or TorchScript, is converted with --trust; whoever has its IR needs
    no trust.

    With --target triton, MODEL is a cut.json, and what is written is a model repository that
    answers frames as the command serve does. With --target ovms it is that of a cut made with
    --bake-bits, whose tail OpenVINO Model Server runs as it is, on tensors of bytes.
    """
    output: Output = ctx.obj
    given = locals()
    if target != "triton":
        _refuse(given, _OF_TRITON, "is for --target triton")
    if target in ("triton", "ovms"):
        _refuse(given, (*_OF_CHECKPOINTS, *_OF_PROGRAMS), "is for networks, not for cuts")
        output.emit(_repository(given))
        return
    report = _ir(given)
    if target == "myriad" and report.blob is None:
        output.note(NO_COMPILER)
    output.emit(report)


def _ir(given: dict[str, Any]) -> "ExportReport":
    """The IR of a checkpoint, or of a program of PyTorch."""
    from splittool.conversion.export import IrForm
    from splittool.conversion.export import export as export_checkpoint
    from splittool.formats import program_kind

    model = given["model"]
    file = given["output_file"] or Path(model.name).with_suffix(".xml")
    how = given["precision"] or "f16", given["target"], given["blob_shaves"], given["force"]
    if program_kind(model):
        _refuse(given, ("size",), "is for checkpoints; a program takes --shape")
        from splittool.network.ir_export import export_network

        return export_network(model, IrForm(file, *how), given["shape"], given["trust"])
    _refuse(given, ("shape",), "is for programs of PyTorch; a checkpoint takes --size")
    return export_checkpoint(model, file, given["size"], *how)


def _repository(given: dict[str, Any]) -> "Report":
    """What the command's options say of a model repository."""
    folder = given["output_file"] or Path("repository")
    if given["target"] == "ovms":
        from splittool.serving.ovms_repository import export_ovms

        return export_ovms(given["model"], folder, given["force"])
    from splittool.serving.extras import require_serving

    require_serving()
    from splittool.serving.triton_repository import TritonOptions, export_triton

    chosen = {name: given[name] for name in _OF_TRITON if given[name] is not None}
    return export_triton(given["model"], folder, TritonOptions(**chosen), given["force"])


def _refuse(given: dict[str, Any], names: tuple[str, ...], why: str) -> None:
    """Refuse options that do not go with the others.

    Raises:
        UsageError: One is given.
    """
    from splittool.errors import UsageError

    for name in names:
        if given[name] is not None:
            raise UsageError(f"--{name.replace('_', '-')} {why}; leave it out")
