"""`splittool compare`: cuts beside the compressed input, on labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from splittool.cli.options import ModelArgument, Shapes
from splittool.cli.output import Output
from splittool.progress import counter
from splittool.tables import make_table, short

Fit = Literal["pad", "resize"]

BITS = "16,8,6,4,3,2"
CODECS = "raw,fast,small"
QUALITIES = "95,85,75,50,30,20,10,5"

if TYPE_CHECKING:
    from rich.table import Table

    from splittool.reports import ArmRecord, CompareReport


def compare(
    ctx: typer.Context,
    model: ModelArgument,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...", help="Folders, images, .txt lists of paths, or - for such a list."
        ),
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(help="A split point; repeat. [default: all that the model names]"),
    ] = None,
    bits: Annotated[str, typer.Option(help="Bits per element, such as 8,4.")] = BITS,
    codec: Annotated[
        str | None, typer.Option(help=f"Of the link. [default: {CODECS}, where installed]")
    ] = None,
    formats: Annotated[
        str | None, typer.Option(help="Of the input, such as jpeg,png. [default: all there are]")
    ] = None,
    qualities: Annotated[str, typer.Option(help="Of lossy formats, 1 to 100.")] = QUALITIES,
    labels: Annotated[
        Path | None, typer.Option(help="True masks. [default: train.csv beside the images]")
    ] = None,
    fit: Annotated[
        Fit | None, typer.Option(help="pad or resize images. [default: as trained]")
    ] = None,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="Probability from which a pixel is a defect.")
    ] = 0.5,
    device: Annotated[str, typer.Option(help="Where everything runs.")] = "CPU",
    precision: Annotated[
        str, typer.Option(help="auto, f32, f16 or bf16; auto is the device's choice.")
    ] = "auto",
    shape: Shapes = None,
) -> None:
    """Compare cuts with the compressed input.

    For every split point, precision and codec, and for image formats at several qualities: bytes
    per frame, Dice with its interval over images, GFLOPs on the device. Frames and image files are
    really written and read. The network is not trained on compressed images unless it was: see
    train --augment-jpeg. splittool plot draws the report.
    """
    output: Output = ctx.obj
    from splittool.codec.choices import check_bits
    from splittool.data.image_codecs import available
    from splittool.data.image_lists import expand_inputs, labels_for
    from splittool.network.comparison import Comparison, Grid, samples_of
    from splittool.reports import CompareReport, file_record
    from splittool.split.evaluation import class_names

    grid = Grid(
        points=tuple(at or _named(model, shape or [])),
        bits=tuple(check_bits(number) for number in _numbers(bits, "--bits")),
        codecs=_codecs(codec),
        formats=tuple(available() if formats is None else _words(formats)),
        qualities=tuple(_qualities(qualities)),
    )
    paths = expand_inputs(images)
    found = labels_for(paths, labels)
    comparison = Comparison(model, grid, device, precision, shape or [])
    canvas = comparison.canvas(fit)
    samples = samples_of(paths, found, canvas)
    classes = class_names(comparison.info.classes, found, comparison.maps)
    with output.progress() as progress:
        advance = counter(progress, len(samples), "images")
        arms = comparison.run(samples, classes, canvas, threshold, advance)
    pairs = sum(len(classes) for _ in samples)
    defective = sum(int(sample.masks(classes).any((1, 2)).sum()) for sample in samples)
    report = CompareReport(
        source=file_record(model),
        device=device,
        precision_requested=precision,
        precision_actual=comparison.precision_actual,
        threshold=threshold,
        images=len(samples),
        defective_pairs=defective,
        floor=1 - defective / pairs,
        arms=arms,
    )
    output.emit(report, _tables(report))


def _named(model: Path, shapes: list[str]) -> list[str]:
    from splittool.errors import UsageError
    from splittool.graph.reading import load_model
    from splittool.runtime.info import read_info

    points = read_info(load_model(model, shapes)).split_points
    if not points:
        raise UsageError(f"{model} names no split points; name them with --at")
    return points


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str, option: str) -> list[int]:
    from splittool.errors import UsageError

    words = _words(text)
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise UsageError(f"{option} {text!r} is no list of numbers; write them as in 8,4")
    return [int(word) for word in words]


def _qualities(text: str) -> list[int]:
    from splittool.errors import UsageError

    numbers = _numbers(text, "--qualities")
    for number in numbers:
        if not 1 <= number <= 100:
            raise UsageError(f"--qualities {number} is out of range; give 1 to 100")
    return numbers


def _codecs(text: str | None) -> tuple[str, ...]:
    from importlib.util import find_spec

    from splittool.codec.payload import CODECS as KNOWN
    from splittool.errors import UsageError

    if text is None:
        return tuple(name for name in KNOWN if name != "small" or find_spec("imagecodecs"))
    for word in _words(text):
        if word not in KNOWN:
            raise UsageError(f"unknown codec {word!r}; give some of: {', '.join(KNOWN)}")
    return tuple(_words(text))


def _tables(report: "CompareReport") -> "list[Table | str]":
    whole = report.arms[0]
    title = f"{report.source.path} whole: Dice {_dice(whole)}, {whole.edge_gflops:.3f} GFLOPs"
    return [
        _cut_table(title, [arm for arm in report.arms if arm.kind == "cut"]),
        _image_table([arm for arm in report.arms if arm.kind == "image"]),
        f"{report.images} images, {report.defective_pairs} defective pairs;"
        f" computed in {report.precision_actual} on {report.device}; in brackets 95 % of a"
        " bootstrap over images",
    ]


def _cut_table(title: str, arms: "list[ArmRecord]") -> "Table":
    codecs = list(dict.fromkeys(arm.codec for arm in arms))
    rows: dict[tuple[str | None, int | None], list[ArmRecord]] = {}
    for arm in arms:
        rows.setdefault((arm.point, arm.bits), []).append(arm)
    lines = [
        [
            str(point),
            str(number),
            *(f"{arm.payload_bytes_per_frame / 1e3:.1f}" for arm in members),
            _dice(members[0]),
            short(members[0].dice_loss, 4),
            f"{members[0].edge_gflops:.2f}",
        ]
        for (point, number), members in rows.items()
    ]
    columns = ["cut at", "bits", *(f"{codec}\nkB" for codec in codecs)]
    return make_table(title, [*columns, "Dice", "loss", "edge\nGFLOPs"], lines)


def _image_table(arms: "list[ArmRecord]") -> "Table":
    lines = [
        [
            str(arm.codec),
            "" if arm.quality is None else str(arm.quality),
            f"{arm.payload_bytes_per_frame / 1e3:.1f}",
            short(arm.bits_per_pixel, 3),
            _dice(arm),
            short(arm.dice_loss, 4),
        ]
        for arm in arms
    ]
    columns = ["input as", "quality", "kB", "bits/pixel", "Dice", "loss"]
    return make_table("the input, compressed", columns, lines)


def _dice(arm: "ArmRecord") -> str:
    if arm.dice is None:
        return "-"
    ends = arm.dice_interval
    return f"{arm.dice:.4f}" + (f" ({ends[0]:.2f}-{ends[1]:.2f})" if ends else "")
