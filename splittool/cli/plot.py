"""`splittool plot`: figures from reports."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from splittool.cli.options import Force, positive
from splittool.cli.output import Output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from splittool.reports import ArmRecord, BenchReport, SplitRecord

Kind = Literal["layers", "cost", "output", "tradeoff", "training", "time", "comparison"]
FORMATS = (".svg", ".png", ".pdf")


@dataclass
class _Given:
    """What the reports hold.

    Attributes:
        networks: Split points, by the network's name.
        runs: Benchmarks, by split point or file.
        named: The split points that the user named.
        arms: Cuts and image formats, compared.
        history: Records of a training run.
    """

    networks: "dict[str, Sequence[SplitRecord]]" = field(default_factory=dict)
    runs: "dict[str, BenchReport]" = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    arms: "list[ArmRecord]" = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def plot(
    ctx: typer.Context,
    reports: Annotated[
        list[str],
        typer.Argument(
            metavar="REPORT...",
            help="Reports, - for one on stdin, .history.jsonl files, POINT=bench.json.",
        ),
    ],
    output_file: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .svg, .png or .pdf.")
    ],
    kind: Annotated[
        Kind | None, typer.Option(help="Which figure. [default: what the reports are for]")
    ] = None,
    bits: Annotated[int, typer.Option(help="Bits per element.")] = 16,
    fps: Annotated[float, typer.Option(help="Frames per second.")] = 10.0,
    force: Force = False,
) -> None:
    """Draw a figure from reports.

    layers: bitrate and layers on the device for several networks (cut --list, one report each).
    cost: GFLOPs and memory of the head at every place (cut --all). output: the size sent at every
    place, and FPS where bench-vpu reports are given; one of a cut's head.xml knows its split point
    from the cut.json beside it, for others write POINT=bench.json. tradeoff: bits against GFLOPs on
    the device, one point per cut, with the input as a line. training: loss and Dice per epoch.
    time: FPS and latency over the time of benchmarks. comparison: Dice against bytes (compare).
    Profiles serve as lists of split points, too, and bench-vpu --splits gives the FPS of all named
    ones. Figures are one printed column wide.
    """
    out: Output = ctx.obj
    from splittool import plots
    from splittool.codec.choices import check_bits
    from splittool.errors import UsageError
    from splittool.files import refuse_existing
    from splittool.reports import PlotReport, file_record

    if output_file.suffix not in FORMATS:
        raise UsageError(f"-o {output_file}: a figure ends in {', '.join(FORMATS)}")
    check_bits(bits)
    positive([fps], "--fps")
    refuse_existing([output_file], force)
    given = _Given()
    for name in reports:
        _read(name, given)
    chosen = kind or _kind(given)
    figure = _draw(chosen, given, bits, fps)
    plots.save(figure, output_file)
    report = PlotReport(kind=chosen, reports=reports, figure=file_record(output_file))
    out.emit(report, [f"wrote {output_file} ({chosen})"])


def _read(argument: str, given: _Given) -> None:
    from splittool.errors import InputError
    from splittool.reports import (
        BenchReport,
        BenchSetReport,
        CompareReport,
        ProfileReport,
        SplitsReport,
        TrainReport,
        decode_any,
    )

    point, _, name = argument.rpartition("=")
    if name.endswith(".jsonl"):
        given.history = _history(Path(name))
        return
    if name == "-" and sys.stdin is None:
        raise InputError("standard input is closed; pipe a report into it")
    shown = "standard input" if name == "-" else name
    report = decode_any(_bytes(name), shown)
    if isinstance(report, TrainReport):
        given.history = _history(Path(report.history))
    elif isinstance(report, BenchReport):
        given.runs[point or shown] = report
        given.named |= {point} - {""}
    elif isinstance(report, BenchSetReport):
        given.runs.update({run.point or run.source.path: run for run in report.runs})
    elif isinstance(report, CompareReport):
        given.arms += report.arms
    elif isinstance(report, SplitsReport | ProfileReport):
        label = point or Path(report.source.path).stem
        while label in given.networks:
            label += "'"
        given.networks[label] = report.splits
    else:
        raise InputError(
            f"{shown} is a {report.__struct_config__.tag} report, which has no figure; give one of"
            " cut --list, cut --all, profile, bench-vpu, compare or train"
        )


def _bytes(name: str) -> bytes:
    from splittool.files import require_file

    if name == "-":
        return sys.stdin.buffer.read()
    require_file(Path(name), "make one with --json")
    return Path(name).read_bytes()


def _history(path: Path) -> list[dict[str, Any]]:
    import msgspec

    from splittool.errors import InputError
    from splittool.files import require_file

    require_file(path, "splittool train writes it beside the model")
    try:
        records = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        whole = all(_is_record(record) for record in records)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        whole, records = False, []
    if not whole or not records:
        raise InputError(f"{path} is no training history; give a .history.jsonl of splittool train")
    return records


def _is_record(record: Any) -> bool:
    """Whether this is an epoch of `splittool train`."""
    try:
        scores = [record[part][key] for part in ("train", "validation") for key in ("loss", "dice")]
        return isinstance(record["epoch"], int) and all(
            score is None or isinstance(score, int | float) for score in scores
        )
    except (KeyError, TypeError):
        return False


def _point(report: "BenchReport", shown: str) -> str | None:
    """The split point whose head was measured, from the cut.json beside it.

    None where `shown` is the model itself: a whole one in a set.
    """
    from splittool.errors import InputError, UsageError
    from splittool.reports import CutReport, read_report

    cut = Path(report.source.path).parent / "cut.json"
    try:
        return read_report(cut, CutReport).split.point
    except InputError:
        if shown == report.source.path:
            return None
        raise UsageError(
            f"{shown} does not say of which split point it is; give POINT={shown}"
        ) from None


def _kind(given: _Given) -> Kind:
    if given.history and not given.networks:
        return "training"
    if given.arms:
        return "comparison"
    if given.runs:
        return "output" if given.networks else "time"
    return "layers" if len(given.networks) > 1 else "cost"


def _draw(kind: Kind, given: _Given, bits: int, fps: float) -> "Figure":
    from splittool import plots

    if kind == "training":
        _require(given.history, kind, "a .history.jsonl or a report of train")
        return plots.training_curves(given.history)
    if kind == "comparison":
        _require(given.arms, kind, "a report of compare")
        return plots.comparison(given.arms)
    if kind == "time":
        _require(given.runs, kind, "a report of bench-vpu")
        return plots.over_time(given.runs)
    _require(given.networks, kind, "a report of cut --list, --all or profile")
    if kind == "layers":
        return plots.layers(given.networks, bits, fps)
    if kind == "tradeoff":
        return plots.tradeoff(given.networks, bits)
    return _draw_one(kind, given)


def _require(found: object, kind: Kind, what: str) -> None:
    from splittool.errors import UsageError

    if not found:
        raise UsageError(f"a figure of kind {kind} needs {what}")


def _draw_one(kind: Kind, given: _Given) -> "Figure":
    """A figure of one network."""
    from splittool import plots
    from splittool.errors import UsageError

    if len(given.networks) > 1:
        raise UsageError(
            f"a figure of kind {kind} is of one network; give one report, or --kind layers"
        )
    splits = next(iter(given.networks.values()))
    if kind == "cost":
        return plots.cost(splits)
    return plots.output(splits, _fps_by_point(given, {split.point for split in splits}))


def _fps_by_point(given: _Given, points: set[str]) -> dict[str, float]:
    """Measured FPS of heads; of a whole model that was measured beside them, none is drawn."""
    from splittool.errors import UsageError

    found = {}
    for name, run in given.runs.items():
        known = name in points or name in given.named
        point = name if known else run.point or _point(run, name)
        if point is not None and point not in points:
            raise UsageError(f"no split point {point!r} is in the list to draw its FPS at")
        if point is not None:
            found[point] = run.fps
    return found
