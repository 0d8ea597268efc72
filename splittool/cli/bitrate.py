"""`splittool bitrate`: Mbit/s of every split point, and the links it fits."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splittool.cli.options import Fps, Shapes, Trust, link_option
from splittool.cli.output import Output
from splittool.quantities import Link
from splittool.vocabulary import LATENT_BITS

if TYPE_CHECKING:
    from splittool.reports import CutReport, FileRecord, SplitRecord

BITS = 16  # the paper's, where none are given


def bitrate(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model, a cut.json, or - for a cut report on stdin."
        ),
    ],
    bits: Annotated[
        list[int] | None,
        typer.Option(help="Bits per element; repeat. [default: 16; 8 for a cut at a latent]"),
    ] = None,
    fps: Fps = None,
    at: Annotated[
        list[str] | None, typer.Option(help="Price this split point only; repeat for several.")
    ] = None,
    link: Annotated[
        list[Link] | None,
        link_option("A rate such as 100Mbps, or a link's name; repeat for several."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Compare with the image files in this folder.")
    ] = None,
    infer: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="REPORT",
            help="Show measured frames beside: a report of infer (of a cut) or of compare; repeat.",
        ),
    ] = None,
    max_mbps: Annotated[
        float | None, typer.Option(help="Exit with 5 if a split point needs more Mbit/s.")
    ] = None,
    shape: Shapes = None,
    trust: Trust = False,
) -> None:
    """Compute the bitrate of each split point.

    Mbit/s = elements x bits x FPS / 10^6, uncompressed, with all crossing tensors counted. The row
    "input" is the image itself in raw 8-bit pixels, also where a network takes real numbers, and
    "input files" are the image files as they are. --infer shows what frames really took, the
    smallest of each split point and precision. Links by name are the user data rates of 3GPP TS
    22.261, table 7.1-1; a device sends on the uplink.
    """
    output: Output = ctx.obj
    from splittool.cost.bitrate import DEFAULT_LINKS, Streams, bitrate_report
    from splittool.cost.measurements import read_frames
    from splittool.data.images import list_images
    from splittool.errors import ThresholdError

    streams = Streams(
        bits=bits or (),
        fps=fps or [10.0],
        links=link or DEFAULT_LINKS,
        images=[] if images is None else list_images(images),
        max_mbps=max_mbps,
        frames=read_frames(infer or []),
    )
    streams.check()
    record, splits, usual_bits = _read(source, at or [], shape or [], trust)
    report = bitrate_report(record, splits, replace(streams, bits=bits or [usual_bits]))
    output.emit(report)
    if report.over_limit:
        raise ThresholdError(
            f"above --max-mbps {max_mbps:g}: {', '.join(report.over_limit)};"
            " choose another split point, fewer --bits or a lower --fps"
        )


def _read(
    source: str, at: list[str], shapes: list[str], trust: bool
) -> "tuple[FileRecord | None, list[SplitRecord], int]":
    """The split points of a model; of a cut report, its own after the network's input.

    And the bits of an element where none are given.
    """
    from splittool.cost.splits import described_at, input_split
    from splittool.errors import UsageError
    from splittool.reports import CutReport, file_record, read_report

    if source == "-" or source.endswith(".json"):
        if at:
            raise UsageError(f"--at is for a model; {source} is a cut at one split point already")
        if source == "-":
            report = _standard_input()
            record = report.source
        else:
            report = read_report(Path(source), CutReport)
            record = file_record(Path(source))
        usual_bits = LATENT_BITS if report.codec_model else BITS
        return record, [input_split(report), report.split], usual_bits
    from splittool.network.network import Network

    network = Network.load(source, shapes, trust)
    return network.record, described_at(network.graph, network.info, at), BITS


def _standard_input() -> "CutReport":
    from splittool.errors import InputError
    from splittool.reports import CutReport, decode

    if sys.stdin is None:
        raise InputError("standard input is closed; pipe a cut report into it")
    return decode(sys.stdin.buffer.read(), "standard input", CutReport)
