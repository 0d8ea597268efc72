"""`splittool profile`: operations, parameters and memory, per layer and per split point."""

from typing import TYPE_CHECKING, Annotated

import typer

from splittool.cli.options import ModelArgument, Shapes
from splittool.cli.output import Output
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import ModelAnalyzerRecord, ProfileReport


def profile(
    ctx: typer.Context,
    model: ModelArgument,
    layers: Annotated[
        bool, typer.Option("--layers/--no-layers", help="Show every operation in the table.")
    ] = True,
    shape: Shapes = None,
) -> None:
    """Count operations, parameters and memory.

    Of every layer, of the whole, and of the head at every split point. FLOPs follow OpenVINO Model
    Analyzer's published definitions; a MAC is two FLOPs, and both are printed. MinMem is the
    largest set of activations alive at once, MaxMem the sum of all, in millions of elements.
    """
    output: Output = ctx.obj
    from splittool.cost.profiles import profile as profile_graph
    from splittool.graph.graph import read_graph
    from splittool.graph.reading import load_model
    from splittool.reports import file_record
    from splittool.runtime.info import read_info

    loaded = load_model(model, shape or [])
    report = profile_graph(file_record(model), read_graph(loaded), read_info(loaded))
    output.emit(report, _tables(report, layers))


def _tables(report: "ProfileReport", layers: bool) -> "list[Table | str]":
    tables: list[Table | str] = [_layers_table(report)] if layers else []
    tables.append(_splits_table(report))
    tables.append(
        f"total: {report.gflops:.4f} GFLOPs, {report.gmacs:.4f} GMACs,"
        f" {report.parameters:,} parameters in {report.weight_bytes:,} bytes\n"
        f"activations: MinMem {report.min_memory_elements / 1e6:.4f} M elements"
        f" ({report.min_memory_bytes:,} bytes), MaxMem {report.max_memory_elements / 1e6:.4f} M"
        f" ({report.max_memory_bytes:,} bytes)"
    )
    tables.append(_model_analyzer(report.model_analyzer))
    if report.not_counted:
        unknown = ", ".join(f"{name} x{number}" for name, number in report.not_counted.items())
        tables.append(f"not counted, their FLOPs have no definition here: {unknown}")
    from splittool.reports.cut import proofs, remarks

    return [*tables, *proofs(report.splits), *remarks(report.refused, report.renamed)]


def _model_analyzer(record: "ModelAnalyzerRecord") -> str:
    indices, weights = record.index_output_elements / 1e6, record.weight_conversion_elements / 1e6
    return (
        f"Model Analyzer would say {record.gflops:.4f} GFLOPs and MaxMem"
        f" {record.max_memory_elements / 1e6:.4f} M: it also counts the index outputs of"
        f" poolings (+{record.index_output_gflops:.7f} GFLOPs, +{indices:.4f} M) and the conversion"
        f" of 16-bit weights (+{weights:.4f} M)"
    )


def _layers_table(report: "ProfileReport") -> "Table":
    rows = [
        [
            layer.name,
            short(layer.gflops),
            short(layer.gmacs),
            f"{layer.parameters:,}",
            f"{layer.elements / 1e6:.3f}",
            short(layer.cumulative_gflops),
            short(layer.cumulative_elements / 1e6, 2),
        ]
        for layer in report.layers
    ]
    columns = ["layer", "GFLOPs", "GMACs", "params", "M elem", "sum\nGFLOPs", "sum\nM elem"]
    return make_table(f"layers of {report.source.path}", columns, rows)


def _splits_table(report: "ProfileReport") -> "Table":
    rows = [
        [
            split.point,
            f"{split.elements:,}",
            short(split.head_gflops),
            short(split.head_gmacs),
            f"{split.head_gflops_share:.1%}",
            f"{split.head_parameters:,}",
            short(split.head_live_elements / 1e6, 2),
            short(split.head_sum_elements / 1e6, 2),
        ]
        for split in report.splits
    ]
    columns = ["head of", "sends", "GFLOPs", "GMACs", "share", "params", "MinMem", "MaxMem"]
    return make_table("split points", columns, rows)
