"""Put reports on one page: a file that needs no network and no other file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from splittool.errors import MissingExtraError, UsageError
from splittool.files import refuse_existing, write_bytes
from splittool.page import charts
from splittool.page.drawings import drawings
from splittool.page.masks import mask_series
from splittool.page.points import Point, points_of
from splittool.page.sources import Source, files_of, read_sources
from splittool.quantities.energy import RADIOS
from splittool.reports import (
    BitrateReport,
    CompareReport,
    PageReport,
    PlanReport,
    Report,
    file_record,
)
from splittool.tables import Cells, printable

MOST_BYTES = 5_000_000  # what a mailbox takes, and a telephone opens at once
IMAGES = 4  # to show with their masks, if nobody says how many


def build_page(
    reports: Sequence[str | Path | Report],
    path: str | Path,
    images: int = IMAGES,
    force: bool = False,
) -> PageReport:
    """Write a page of reports: what was measured, the cut to choose, alternatives and figures.

    Args:
        reports: Reports of any command, at most one of them of `plan`; their files, "NAME=FILE",
            or "-" for standard input.
        path: The page, an .html file.
        images: How many images to show with their masks, where there are reports of `infer`.
        force: Replace a page that exists.

    Raises:
        UsageError: Two reports are of `plan`, or the page would be larger than 5 MB.
        InputError: A report, or a file of masks or an image that it names, is missing or damaged.
        OutputError: The page exists or cannot be written.
        MissingExtraError: Bokeh, Jinja or matplotlib is not installed.
    """
    target = Path(path)
    if target.suffix not in (".html", ".htm"):
        raise UsageError(f"`output` {target}: a page ends in .html")
    refuse_existing([target], force)
    sources = read_sources(reports)
    text = _render(_contents(sources, images)).encode()
    if len(text) > MOST_BYTES:
        raise UsageError(
            f"the page would have {len(text) / 1e6:.1f} MB, and {MOST_BYTES / 1e6:g} are the most;"
            " give fewer reports or `images`"
        )
    write_bytes(target, text)
    return PageReport(reports=[source.shown for source in sources], page=file_record(target))


def _contents(sources: Sequence[Source], images: int) -> dict[str, Any]:
    """Everything that the template shows."""
    plan = _plan(sources)
    points = points_of(sources)
    bits, fps = _terms(sources, plan)
    return {
        "title": _title(plan, sources),
        "sources": sources,
        "files": [
            (printable(file.path), f"{file.bytes:,}", printable(file.sha256))
            for file in files_of(sources)
        ],
        "plan": _clean(msgspec.to_builtins(plan)) if plan else None,
        "scripts": charts.scripts(),
        "times": charts.times() if plan else None,
        "energies": charts.energies() if plan and plan.energy else None,
        "radios": list(RADIOS.values()),
        "accuracy": charts.accuracy(points, "payload_bytes") if _sent(points) else None,
        "work": charts.accuracy(points, "gflops") if _worked(points) else None,
        "measured": _measured(sources),
        "series": mask_series(sources, images),
        "verdict": verdict(points_of(_compared(sources))),
        "drawings": drawings(sources, bits, fps),
        "is_table": lambda part: isinstance(part, Cells),
    }


def _render(contents: dict[str, Any]) -> str:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError:
        raise MissingExtraError(
            "the page needs Jinja; install it with: pip install 'splittool[page]'"
        ) from None
    environment = Environment(
        loader=PackageLoader("splittool.page", "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # Bokeh reads in order: no sorted keys
    return environment.get_template("page.html").render(contents)


def _plan(sources: Sequence[Source]) -> PlanReport | None:
    """The one plan, if there is one."""
    plans = [source.report for source in sources if isinstance(source.report, PlanReport)]
    if len(plans) > 1:
        raise UsageError("two reports are of plan, and a page shows one choice; give one of them")
    return plans[0] if plans else None


def _terms(sources: Sequence[Source], plan: PlanReport | None) -> tuple[int, float]:
    """Bits and frame rate of figures: those of the plan and of `bitrate`, or the usual ones."""
    rates = [source.report for source in sources if isinstance(source.report, BitrateReport)]
    bits = plan.bits if plan else rates[0].bits[0] if rates else 16
    return bits, rates[0].fps[0] if rates else 10.0


def _title(plan: PlanReport | None, sources: Sequence[Source]) -> str:
    if plan:
        return f"Where to cut {printable(Path(plan.source.path).name)}"
    return "Reports of splittool: " + ", ".join(dict.fromkeys(s.kind for s in sources))


def _sent(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.payload_bytes > 0]


def _worked(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.gflops is not None]


def _measured(sources: Sequence[Source]) -> str:
    """On how many images Dice was measured."""
    return "; ".join(
        f"n = {report.images} images with {report.defective_pairs} defective pairs,"
        f" {report.arms[0].dice_interval_images or 'too few'} images for the intervals"
        for source in _compared(sources)
        if isinstance(report := source.report, CompareReport)
    )


def _compared(sources: Sequence[Source]) -> list[Source]:
    """The reports that hold ways against each other, image by image."""
    return [source for source in sources if isinstance(source.report, CompareReport)]


def verdict(points: Sequence[Point]) -> str:
    """What the intervals of the loss say of all ways together, in one sentence; empty without."""
    known = [point for point in points if point.loss_interval is not None]
    if not known:
        return (
            "There are too few images for intervals of the loss of Dice: differences within the"
            " bars say nothing."
            if points
            else ""
        )
    worse = [point.name for point in known if point.loss_interval and point.loss_interval[0] > 0]
    if not worse:
        return (
            f"None of {len(known)} ways differs from the whole network by more than chance: the"
            " 95 % interval of every loss of Dice reaches 0."
        )
    return (
        f"Of {len(known)} ways, {len(worse)} lose Dice for certain (the 95 % interval of the loss"
        f" lies above 0): {printable('; '.join(worse))}. The others may lose nothing."
    )


def _clean(value: Any) -> Any:
    """Plain values whose texts have no control characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list) else value
