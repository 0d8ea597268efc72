"""`splittool cut`: head and tail of a network, and the proof that they are the whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import (
    BlobShaves,
    Force,
    ModelArgument,
    Shapes,
    TargetOption,
    blob_line,
    compiler_for,
)
from splittool.cli.output import Output
from splittool.progress import counter
from splittool.tables import make_table

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import CutReport, ProfileReport, SplitRecord, SplitsReport


def cut(
    ctx: typer.Context,
    model: ModelArgument,
    at: Annotated[
        list[str] | None,
        typer.Option(help="The split point: an operation's name; repeat to cut after several."),
    ] = None,
    list_points: Annotated[
        bool, typer.Option("--list", help="List the named split points, or else every place.")
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="List every place to cut, in topological order.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Prove every cut listed; a cut that is made always is."),
    ] = False,
    shape: Shapes = None,
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
        typer.Option(help="Of a calibrated cut.json: put its quantiser into head and tail."),
    ] = None,
    target: TargetOption = "openvino",
    blob_shaves: BlobShaves = None,
    force: Force = False,
) -> None:
    """Cut a network into head and tail.

    head.xml runs on the device, tail.xml in the cloud. The head of a cut at X is X and all its
    ancestors. Every tensor that crosses the cut, skip connections included, is an output of the
    head and an input of the tail. Head, tail and whole are run on the same input; a difference
    above the tolerance fails the command. --all prices each place of the graph in topological
    order: all operations up to there are the head. Where several branches end there, it names them
    all, and one --at for each makes that cut.

    With --bake-bits, MODEL is the cut.json of a cut that splittool calibrate has seen: the new head
    puts out bytes, the new tail takes them, as the codec would send them.
    """
    output: Output = ctx.obj
    from splittool.errors import UsageError

    if bake_bits:
        if at or list_points or every or calibrate or model.suffix != ".json":
            raise UsageError(
                "--bake-bits takes a calibrated cut.json, and no --at, --list, --all or --calibrate"
            )
        from splittool.split.baked import bake_cut

        baked = bake_cut(model, 8 if bake_bits == "8" else 4, output_folder, tolerance, force)
        output.emit(baked, _tables(baked))
        return
    if (list_points or every) == bool(at):
        raise UsageError("give either --at NAME to cut, or --list or --all to see where")
    if calibrate and not at:
        raise UsageError("--calibrate is for a cut that is made; give --at NAME")
    if not at:
        _list(output, model, shape or [], every, tolerance if verify else None)
        return
    from splittool.split.files import write_cut

    images = _images(calibrate, output_folder, force) if calibrate else []
    compiler = compiler_for(output, target, blob_shaves)
    report = write_cut(
        model, at, output_folder, tolerance, shape or [], force, target, compiler, blob_shaves
    )
    lines = [_calibrate(output, output_folder, images)] if images else []
    output.emit(report, [*_tables(report), *lines])


def _images(given: list[str], folder: Path, force: bool) -> list[Path]:
    """The images to calibrate with, and no calibration in the way, before anything is written."""
    from splittool.data.image_lists import expand_inputs
    from splittool.files import refuse_existing
    from splittool.split.calibration_file import FILE_NAME

    if folder.exists():
        refuse_existing([folder / FILE_NAME], force)
    return expand_inputs(given)


def _calibrate(output: Output, folder: Path, images: list[Path]) -> str:
    """Write the ranges of the cut in a folder; returns what to say of it."""
    from splittool.split.calibration import calibrate_cut

    with output.progress() as progress:
        advance = counter(progress, len(images), "calibrating")
        calibrate_cut(folder / "cut.json", images, advance)
    return f"wrote {folder / 'calibration.json'}, ranges from {len(images)} images"


def _list(
    output: Output, model: Path, shapes: list[str], every: bool, tolerance: float | None
) -> None:
    from splittool.cost.splits import describe_places, list_splits
    from splittool.graph.graph import read_graph
    from splittool.graph.reading import load_model
    from splittool.reports import SplitsReport, file_record
    from splittool.runtime.info import read_info

    loaded = load_model(model, shapes)
    graph = read_graph(loaded)
    splits, refused = describe_places(graph) if every else list_splits(graph, read_info(loaded))
    failed: list[str] = []
    if tolerance is not None:
        splits, failed = _verified(output, model, shapes, splits, tolerance)
    report = SplitsReport(
        source=file_record(model), splits=splits, refused=refused, renamed=graph.renamed
    )
    table = splits_table if len(splits) <= 20 else _places_table
    output.emit(report, [table(f"split points of {model}", splits), *remarks(report)])
    if failed:
        from splittool.errors import VerificationError

        raise VerificationError(
            f"{len(failed)} of {len(splits)} cuts differ from the whole by more than"
            f" {tolerance:g} of the output's range, such as {failed[0]!r};"
            " raise --tolerance if you know why"
        )


def _verified(
    output: Output, model: Path, shapes: list[str], splits: "list[SplitRecord]", tolerance: float
) -> "tuple[list[SplitRecord], list[str]]":
    from splittool.split.files import verify_splits

    with output.progress() as progress:
        advance = counter(progress, len(splits), "verifying")
        return verify_splits(model, splits, tolerance, shapes, advance)


def remarks(report: "SplitsReport | ProfileReport") -> list[str]:
    """What a table of split points cannot say: proofs, places refused, names changed."""
    lines = []
    differences = [s.difference for s in report.splits if s.difference is not None]
    if differences:
        lines.append(
            f"{len(differences)} cuts verified in f32 on the CPU; largest difference of"
            f" tail(head(x)) from the whole: {max(differences):.1e} of the output's range"
        )
    lines += [f"no cut at {place.point}: {place.reason}" for place in report.refused]
    lines += [
        f"{name} is the name here of another {own!r}" if own else f"{name} had no name"
        for name, own in report.renamed.items()
    ]
    return lines


def splits_table(title: str, splits: "list[SplitRecord]") -> "Table":
    """What crosses each cut and what each side does."""
    rows = [
        [
            "\n".join(split.at),
            "\n".join(
                f"{tensor.name} {'x'.join(map(str, tensor.shape))}" for tensor in split.tensors
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


def _places_table(title: str, splits: "list[SplitRecord]") -> "Table":
    """One line for each of many places."""
    rows = [
        [
            " + ".join(split.at),
            str(len(split.tensors)),
            f"{split.elements:,}",
            str(split.head_operations),
            f"{split.head_gflops:.3f}",
            f"{split.head_gflops_share:.1%}",
            f"{split.head_live_elements / 1e6:.2f}",
        ]
        for split in splits
    ]
    columns = ["head up to", "sends", "elements", "ops", "GFLOPs", "share", "MinMem"]
    return make_table(title, columns, rows)


def _tables(report: "CutReport") -> "list[Table | str]":
    proof = report.verification
    allowed = proof.tolerance * proof.output_range
    other = "the halves joined by the codec" if report.baked else "the whole"
    files = ", ".join(record.path for record in [*report.head, *report.tail])
    return [
        splits_table(f"{report.source.path} cut at {report.split.point}", [report.split]),
        f"largest difference of tail(head(x)) from {other}: {proof.difference:.1e}\n"
        f"({proof.precision} on {proof.device}, allowed {allowed:.1e})",
        *([blob_line(report.blob)] if report.blob else []),
        f"wrote {files}, cut.json",
    ]
