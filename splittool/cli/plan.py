"""`splittool plan`: latency and throughput of every place to cut, and which is best."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import ModelArgument, Shapes, positive
from splittool.cli.output import Output
from splittool.quantities import Compute, Link, parse_compute, parse_link, parse_milliseconds
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import LimitsRecord, PlanReport, PlanRow, RateRecord


def plan(
    ctx: typer.Context,
    model: ModelArgument,
    edge: Annotated[
        Compute,
        typer.Option(
            metavar="RATE",
            parser=parse_compute,
            help="The device: a rate such as 100GFLOPS, or a bench-vpu report: its FPS x the GFLOPs"
            " of its model; or, of bench-vpu MODEL --splits, the time of each head.",
        ),
    ],
    cloud: Annotated[
        Compute, typer.Option(metavar="RATE", parser=parse_compute, help="The cloud: the same.")
    ],
    link: Annotated[
        Link,
        typer.Option(
            metavar="LINK", parser=parse_link, help="A rate such as 100Mbps, or a link's name."
        ),
    ],
    rtt: Annotated[
        float,
        typer.Option(
            metavar="TIME",
            parser=parse_milliseconds,
            show_default=False,
            help="Round trip of the link, such as 10ms. [default: 0ms]",
        ),
    ] = 0.0,
    bits: Annotated[
        int, typer.Option(help="Bits per element of features; whole numbers keep their own.")
    ] = 8,
    infer: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="REPORT",
            help="A report of infer, of a cut or the whole, or of compare: bytes and Dice; repeat.",
        ),
    ] = None,
    image_bytes: Annotated[
        float | None,
        typer.Option(help="Size of the input as sent. [default: as --infer measured, or raw]"),
    ] = None,
    best: Annotated[
        Literal["latency", "fps"], typer.Option(help="What the chosen place is best in.")
    ] = "latency",
    min_dice: Annotated[
        float | None, typer.Option(help="Only places with a measured Dice of this.")
    ] = None,
    max_edge_gflops: Annotated[
        float | None, typer.Option(help="No more work on the device for a frame.")
    ] = None,
    min_fps: Annotated[float | None, typer.Option(help="No fewer frames per second.")] = None,
    max_latency: Annotated[
        float | None, typer.Option(metavar="MS", help="No more milliseconds for a frame.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every place in the table.")] = False,
    shape: Shapes = None,
) -> None:
    """Choose where to cut.

    Latency = head + 8 x bytes / link + round trip + tail. FPS = that of the slowest of edge, link
    and cloud, each at work on another frame. The rows: edge only, cloud only, every place in
    topological order, and the cut of least latency among all closed cuts of the graph, found as a
    minimum cut. --best fps chooses among these rows. The limits, too, choose among rows; exit with
    5 if none keeps to them.
    """
    output: Output = ctx.obj
    from splittool.codec.choices import check_bits
    from splittool.cost.measurements import read_measured
    from splittool.cost.plans import Terms, nothing_fits
    from splittool.cost.plans import plan as make_plan
    from splittool.cost.rates import read_rate
    from splittool.graph.graph import read_graph
    from splittool.graph.reading import load_model
    from splittool.reports import file_record
    from splittool.runtime.info import read_info

    limits = _limits(min_dice, max_edge_gflops, min_fps, max_latency)
    check_bits(bits)
    positive([] if image_bytes is None else [image_bytes], "--image-bytes")
    loaded = load_model(model, shape or [])
    graph, source = read_graph(loaded), file_record(model)
    measured = read_measured(graph, infer or [])
    if image_bytes is None:
        image_bytes = measured.image_bytes
    terms = Terms(
        read_rate(edge, source, graph),
        read_rate(cloud, source, graph),
        link.name,
        link.mbps,
        rtt,
        bits,
        image_bytes,
    )
    points = read_info(loaded).split_points
    report = make_plan(source, graph, points, terms, limits, best, measured)
    output.emit(report, _tables(report, every))
    if report.chosen is None:
        from splittool.errors import ThresholdError

        raise ThresholdError(nothing_fits(report))


def _limits(
    min_dice: float | None,
    max_edge_gflops: float | None,
    min_fps: float | None,
    max_latency: float | None,
) -> "LimitsRecord":
    from splittool.errors import UsageError
    from splittool.reports import LimitsRecord

    if min_dice is not None and not 0 <= min_dice <= 1:
        raise UsageError(f"--min-dice {min_dice:g} is out of range; give 0 to 1")
    if max_edge_gflops is not None and max_edge_gflops < 0:
        raise UsageError(f"--max-edge-gflops {max_edge_gflops:g} is out of range; give 0 or more")
    positive([] if min_fps is None else [min_fps], "--min-fps")
    positive([] if max_latency is None else [max_latency], "--max-latency")
    return LimitsRecord(min_dice, max_edge_gflops, min_fps, max_latency)


def _tables(report: "PlanReport", every: bool) -> "list[Table | str]":
    shown = set(range(len(report.rows))) if every else _shown(report)
    rows = [_cells(report.rows[number], number == report.chosen) for number in sorted(shown)]
    columns = ["  point", "head+link\n+tail ms", "total\nms", "FPS", "slow-\nest"]
    columns += ["edge\nshare", "kB", "Dice"]
    if all(row.dice is None for row in report.rows):
        columns.pop()
        rows = [row[:-1] for row in rows]
    title = f"plans for {report.source.path}; * is chosen for {report.objective}"
    remarks = _remarks(report, len(report.rows) - len(rows))
    return [make_table(title, columns, rows), *remarks]


def _shown(report: "PlanReport") -> set[int]:
    """Rows of named, measured and chosen places; of each, the best way to send what crosses."""
    found = {report.chosen, report.best_cut, report.optimum} - {None}
    best: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(report.rows):
        if row.named or row.measured or row.kind != "cut":
            place = (row.kind, *row.at)
            before = report.rows[best.setdefault(place, number)]
            if _rank(row, report.objective) < _rank(before, report.objective):
                best[place] = number
    return {number for number in (*found, *best.values()) if number is not None}


def _rank(row: "PlanRow", objective: str) -> tuple[bool, float, float]:
    """What is within the limits comes first, then what is best, then the better Dice."""
    slowness = row.latency_ms if objective == "latency" or not row.fps else 1 / row.fps
    return bool(row.excluded), slowness, -(row.dice or 0.0)


def _cells(row: "PlanRow", chosen: bool) -> list[str]:
    names = row.at if row.kind == "cut" else [row.point]
    lines = [*names, f"({_way(row)})"] if row.measured else names
    return [
        ("* " if chosen else "  ") + "\n  ".join(lines),
        "+".join(map(_number, (row.head_ms, row.transfer_ms, row.tail_ms))),
        _number(row.latency_ms),
        _number(row.fps),
        row.bottleneck or "-",
        f"{row.head_gflops_share:.0%}",
        f"{row.payload_bytes / 1e3:.0f}",
        short(row.dice, 3),
    ]


def _way(row: "PlanRow") -> str:
    """How what crosses was compressed."""
    if row.kind == "cloud-only":
        return f"{row.codec}{'' if row.quality is None else f' q{row.quality}'}"
    return f"{'mixed bits' if row.bits is None else f'{row.bits}-bit'} {row.codec or ''}".rstrip()


def _number(value: float | None) -> str:
    """At most four characters below 10,000."""
    if value is None:
        return "-"
    digits = 0 if value == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def _remarks(report: "PlanReport", hidden: int) -> list[str]:
    lines = [
        f"edge {_rate(report.edge)}, cloud {_rate(report.cloud)}; link {report.link}"
        f" ({report.link_mbps:g} Mbit/s), {report.rtt_ms:g} ms round trip;"
        f" features in {report.bits} bits"
    ]
    best = report.rows[report.optimum]
    lines.append(f"least latency of all closed cuts: {best.latency_ms:.4g} ms, {best.point}")
    if report.chosen is not None and report.rows[report.chosen].kind == "cut":
        at = " ".join(f"--at {name}" for name in report.rows[report.chosen].at)
        lines.append(f"make it with: splittool cut {report.source.path} {at}")
    chosen = None if report.chosen is None else report.rows[report.chosen]
    whole = report.rows[0].dice
    if chosen and chosen.dice is not None and whole is not None and report.limits.min_dice is None:
        lines.append(
            f"Dice {chosen.dice:.4g} where chosen, {whole:.4g} of the whole; --min-dice keeps it up"
        )
    if hidden:
        lines.append(f"{hidden} more rows with --all")
    if report.not_counted:
        unknown = ", ".join(f"{name} x{number}" for name, number in report.not_counted.items())
        lines.append(f"taken to cost no time, their FLOPs have no definition here: {unknown}")
    return lines


def _rate(rate: "RateRecord") -> str:
    if rate.report is None:
        return rate.given
    rate_shown = f"{rate.gflops_per_second:.4g} GFLOPS ({rate.given}"
    return rate_shown + (f", {len(rate.heads)} heads measured)" if rate.heads else ")")
