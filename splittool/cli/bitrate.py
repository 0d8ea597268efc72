"""`splittool bitrate`: Mbit/s of every split point, and the links it fits."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splittool.cli.options import Fps, Shapes, positive
from splittool.cli.output import Output
from splittool.quantities import Link, parse_link
from splittool.tables import make_table

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import BitrateReport, CutReport, FileRecord, SplitRecord


def bitrate(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model, a cut.json, or - for a cut report on stdin."
        ),
    ],
    bits: Annotated[
        list[int] | None, typer.Option(help="Bits per element; repeat. [default: 16]")
    ] = None,
    fps: Fps = None,
    at: Annotated[
        list[str] | None, typer.Option(help="Only this split point; repeat for several.")
    ] = None,
    link: Annotated[
        list[Link] | None,
        typer.Option(
            metavar="LINK",
            parser=parse_link,
            help="A rate such as 100Mbps, or a link's name; repeat for several.",
        ),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Compare with the bytes of the images in this folder.")
    ] = None,
    max_mbps: Annotated[
        float | None, typer.Option(help="Exit with 5 if a split point needs more.")
    ] = None,
    shape: Shapes = None,
) -> None:
    """Tell what each split point sends.

    Mbit/s = elements x bits x FPS / 10^6, uncompressed. All crossing tensors are billed. The row
    "input" is the image itself in raw 8-bit pixels, and "input files" the image files as they are.
    Links by name are the user data rates of 3GPP TS 22.261, table 7.1-1; a device sends on the
    uplink.
    """
    output: Output = ctx.obj
    from splittool.codec.choices import check_bits
    from splittool.cost.bitrate import DEFAULT_LINKS, input_files_row, over_limit, split_row
    from splittool.errors import UsageError
    from splittool.reports import BitrateReport

    precisions = [check_bits(number) for number in bits or [16]]
    rates = positive(fps or [10.0], "--fps")
    limits = positive([] if max_mbps is None else [max_mbps], "--max-mbps")
    links = dict(link or map(parse_link, DEFAULT_LINKS))
    if at and (source == "-" or source.endswith(".json")):
        raise UsageError(f"--at is for a model; {source} is one cut, made at its own split point")
    record, splits = _read_splits(source, at or [], shape or [])
    rows = [
        split_row(split, precision, rates, links)
        for number, precision in enumerate(precisions)
        for split in splits
        if split.point != "input" or number == 0  # raw pixels cost the same at every precision
    ]
    files = []
    if images is not None:
        from splittool.data.images import list_images

        files = list_images(images)
        mean = sum(path.stat().st_size for path in files) / len(files)
        rows.insert(1, input_files_row(mean, rates, links))
    report = BitrateReport(
        source=record,
        bits=precisions,
        fps=rates,
        links=links,
        rows=rows,
        image_files=len(files) or None,
        max_mbps=max_mbps,
        over_limit=over_limit(rows, limits[0]) if limits else [],
    )
    output.emit(report, [_table(report)])
    if report.over_limit:
        from splittool.errors import ThresholdError

        raise ThresholdError(
            f"above --max-mbps {max_mbps:g}: {', '.join(report.over_limit)};"
            " choose another split point, fewer --bits or a lower --fps"
        )


def _read_splits(
    source: str, at: list[str], shapes: list[str]
) -> "tuple[FileRecord | None, list[SplitRecord]]":
    """The split points of a model, or the one of a cut report beside its input."""
    from splittool.errors import InputError
    from splittool.reports import CutReport, decode, file_record, read_report

    if source == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed; pipe a cut report into it")
        report = decode(sys.stdin.buffer.read(), "standard input", CutReport)
        return report.source, _cut_splits(report)
    path = Path(source)
    if path.suffix == ".json":
        report = read_report(path, CutReport)
        return file_record(path), _cut_splits(report)
    from splittool.cost.splits import describe_splits, list_splits
    from splittool.graph.graph import read_graph
    from splittool.graph.reading import load_model
    from splittool.graph.split_points import INPUT
    from splittool.runtime.info import read_info

    model = load_model(path, shapes)
    graph = read_graph(model)
    if at:
        points = [INPUT, *(name for name in at if name != INPUT)]
        return file_record(path), describe_splits(graph, points)
    return file_record(path), list_splits(graph, read_info(model))[0]


def _cut_splits(report: "CutReport") -> "list[SplitRecord]":
    """What a cut sends, after what sending its input would cost."""
    from splittool.cost.splits import input_split

    return [input_split(report), report.split]


def _table(report: "BitrateReport") -> "Table":
    several = len(report.bits) > 1
    rows = []
    for row in report.rows:
        size = "-" if row.elements is None else f"{row.elements:,}"
        cells = [row.point, "-" if row.bits is None else str(row.bits), size]
        cells += [f"{row.mbps[f'{fps:g}']:.2f}" for fps in report.fps]
        for name in report.links:
            fits = [f"{fps:g}" for fps in report.fps if row.links[name][f"{fps:g}"]]
            cells.append(" ".join(fits) if fits else "none")
        rows.append(cells)
    columns = ["point", "bits", "elements", *(f"Mbit/s\n{fps:g} FPS" for fps in report.fps)]
    for name, rate in report.links.items():
        columns.append(f"fits {name.replace('-', '-' + chr(10))}\n{rate:g} Mbit/s")
    bits = "several precisions" if several else f"{report.bits[0]} bits"
    return make_table(f"bitrate at {bits}; 'fits' lists the FPS that do", columns, rows)
