"""`splittool export`: a checkpoint as OpenVINO IR."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from splittool.cli.options import BlobShaves, Force, TargetOption, compiler_for
from splittool.cli.output import Output
from splittool.tables import make_table

WeightPrecision = Literal["fp16", "fp32"]


def export(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .pt checkpoint.")],
    output_file: Annotated[
        Path, typer.Option("--output", "-o", help="The .xml to write; its .bin goes beside it.")
    ],
    size: Annotated[
        str | None, typer.Option(help="Input height x width. [default: as trained]")
    ] = None,
    precision: Annotated[WeightPrecision, typer.Option(help="Of the stored weights.")] = "fp16",
    target: TargetOption = "openvino",
    blob_shaves: BlobShaves = None,
    force: Force = False,
) -> None:
    """Convert a checkpoint to OpenVINO IR.

    Pixels go in, probabilities come out. Normalisation and sigmoid are inside the graph; batch
    normalisation is folded into the convolutions. The result is compared with torch on a random
    image. For older runtimes (--target) newer operations are replaced by older ones that compute
    the same; myriad also compiles a .blob with the vendor's compiler, which splittool doctor helps
    to get.
    """
    output: Output = ctx.obj
    from splittool.data.images import parse_size
    from splittool.errors import InputError, UsageError
    from splittool.files import refuse_existing, replacing

    if output_file.suffix != ".xml":
        raise UsageError(f"-o {output_file}: OpenVINO IR ends in .xml")
    if model.suffix != ".pt":
        raise InputError(f"{model} is not a .pt checkpoint; only these need exporting")
    weights = output_file.with_suffix(".bin")
    blob_file = output_file.with_suffix(".blob")
    blobs = [blob_file] if target == "myriad" else []
    refuse_existing([output_file, weights, *blobs], force)
    compiler = compiler_for(output, target, blob_shaves)
    from splittool.export.conversion import compare_with_torch, convert
    from splittool.reports import ExportReport, file_record
    from splittool.reports.export import blob_line
    from splittool.runtime.ir import save_ir
    from splittool.runtime.myriad import blob_record, compile_blob
    from splittool.runtime.targets import TARGETS

    exported = convert(model, parse_size(size) if size else None)
    graph = exported.model
    save_ir(graph, output_file, precision == "fp16", TARGETS[target])
    blob = None
    if compiler:
        with replacing(blob_file) as temporary:
            made = compile_blob(compiler, output_file, temporary, graph, blob_shaves)
        blob = blob_record(replace(made, path=blob_file))
    report = ExportReport(
        source=file_record(model),
        model=file_record(output_file),
        weights=file_record(weights),
        weight_precision=precision,
        input_shape=list(graph.inputs[0].get_shape()),
        output_shape=list(graph.outputs[0].get_shape()),
        classes=exported.info.classes,
        split_points=exported.info.split_points,
        difference=compare_with_torch(exported, output_file),
        target=target,
        blob=blob,
    )
    rows = [
        ["weights", f"{precision}, {report.weights.bytes:,} bytes"],
        ["input", f"{report.input_shape} 8-bit pixels"],
        ["output", f"{report.output_shape} probabilities"],
        ["classes", ", ".join(report.classes)],
        ["split points", ", ".join(report.split_points)],
        ["largest difference from torch", f"{report.difference:.1e}"],
    ]
    table = make_table(f"{model} as {output_file}", ["", ""], rows)
    output.emit(report, [table, *([blob_line(blob)] if blob else [])])
