"""`splittool cut`: head and tail of a network, and the proof that they are the whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splittool.cli.options import Force, ModelArgument
from splittool.cli.output import Output, make_table

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import CutReport, SplitRecord


def cut(
    ctx: typer.Context,
    model: ModelArgument,
    at: Annotated[str | None, typer.Option(help="The split point: an operation's name.")] = None,
    list_points: Annotated[bool, typer.Option("--list", help="List the split points.")] = False,
    every: Annotated[
        bool, typer.Option("--all", help="With --list: every operation, not only the named points.")
    ] = False,
    output_folder: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for head, tail and cut.json.")
    ] = Path(),
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Largest difference allowed, as a share of the output's range."),
    ] = 1e-5,
    force: Force = False,
) -> None:
    """Cut a network into head and tail.

    head.xml runs on the device, tail.xml in the cloud. The head of a cut at X is X and all its
    ancestors. Every tensor that crosses the cut, skip connections included, is an output of the
    head and an input of the tail. Head, tail and whole are run on the same input; a difference
    above the tolerance fails the command.
    """
    output: Output = ctx.obj
    from splittool.errors import UsageError

    if list_points == (at is not None):
        raise UsageError("give either --at NAME to cut, or --list to see the split points")
    if list_points:
        _list(output, model, every)
        return
    assert at is not None
    from splittool.runtime.bundle import write_cut

    report = write_cut(model, at, output_folder, tolerance, force)
    output.emit(report, _tables(report))


def _list(output: Output, model: Path, every: bool) -> None:
    from splittool.analysis.splits import describe_splits
    from splittool.ir.graph import read_graph
    from splittool.ir.info import ModelInfo, read_info
    from splittool.ir.load import load_model
    from splittool.ir.splits import named_points
    from splittool.reports import SplitsReport, file_record

    loaded = load_model(model)
    graph = read_graph(loaded)
    info = ModelInfo() if every else read_info(loaded)
    splits = describe_splits(graph, named_points(graph, info))
    report = SplitsReport(source=file_record(model), splits=splits)
    output.emit(report, [splits_table(f"split points of {model}", splits)])


def splits_table(title: str, splits: "list[SplitRecord]") -> "Table":
    """What crosses each cut and what each side does."""
    rows = [
        [
            split.point,
            "\n".join(
                f"{tensor.name} {'x'.join(map(str, tensor.shape[1:]))}" for tensor in split.tensors
            ),
            f"{split.elements:,}",
            f"{split.head_gflops:.3f}",
            f"{split.tail_gflops:.3f}",
            f"{split.head_gflops_share:.1%}",
        ]
        for split in splits
    ]
    columns = ["point", "crossing tensors", "elements", "head\nGFLOPs", "tail\nGFLOPs", "head"]
    return make_table(title, columns, rows, texts=2)


def _tables(report: "CutReport") -> "list[Table | str]":
    proof = report.verification
    allowed = proof.tolerance * proof.output_range
    files = ", ".join(record.path for record in [*report.head, *report.tail])
    return [
        splits_table(f"{report.source.path} cut at {report.split.point}", [report.split]),
        f"largest difference of tail(head(x)) from the whole: {proof.difference:.1e}\n"
        f"({proof.precision} on {proof.device}, allowed {allowed:.1e})",
        f"wrote {files}, cut.json",
    ]
