"""Choose the figure that fits the reports, and draw it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splittool.codec.choices import check_bits
from splittool.errors import UsageError
from splittool.figures import comparison, costs, curves, networks
from splittool.figures.material import Material
from splittool.figures.style import save
from splittool.files import refuse_existing
from splittool.quantities import require_positive
from splittool.reports import PlotReport, Report, file_record
from splittool.vocabulary import FigureKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")

_NEEDS = {
    "training": ("history", "a .history.jsonl or a report of train"),
    "comparison": ("arms", "a report of compare"),
    "energy": ("powered", "a report of compare with `edge_energy`"),
    "time": ("runs", "a report of bench-vpu"),
}
_LISTS = ("networks", "a report of cut --list, --all or profile")


def draw(
    reports: Sequence[str | Path | Report],
    path: str | Path,
    kind: FigureKind | None = None,
    bits: int = 16,
    fps: float = 10.0,
    force: bool = False,
) -> PlotReport:
    """Draw a figure from reports.

    Args:
        reports: Reports, or their files, as `Material.add` takes them.
        path: The figure, an .svg, .png or .pdf file.
        kind: Which figure; None for the one that suits the reports.
        bits: Bits per element, for bitrates.
        fps: Frames per second, for bitrates.
        force: Replace a figure that exists.

    Raises:
        UsageError: The reports do not hold what the figure needs, or an option is out of range.
        InputError: A report is missing or damaged, or has no figure.
        OutputError: The figure exists or cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    target = Path(path)
    if target.suffix not in FORMATS:
        raise UsageError(f"`output` {target}: a figure ends in {', '.join(FORMATS)}")
    check_bits(bits)
    require_positive(fps, "`fps`")
    refuse_existing([target], force)
    material = Material()
    for report in reports:
        material.add(report)
    chosen = kind or _usual(material)
    save(_figure(chosen, material, bits, fps), target)
    names = [str(r.__struct_config__.tag) if isinstance(r, Report) else str(r) for r in reports]
    return PlotReport(kind=chosen, reports=names, figure=file_record(target))


def _usual(material: Material) -> FigureKind:
    """The kind of figure that suits the reports."""
    if material.history and not material.networks:
        return "training"
    if material.arms:
        return "comparison"
    if material.runs:
        return "output" if material.networks else "time"
    return "layers" if len(material.networks) > 1 else "cost"


def _figure(kind: FigureKind, material: Material, bits: int, fps: float) -> "Figure":
    needed, what = _NEEDS.get(kind, _LISTS)
    if not getattr(material, needed):
        raise UsageError(f"a figure of kind {kind} needs {what}")
    if kind == "training":
        return curves.training_curves(material.history)
    if kind == "comparison":
        return comparison.comparison(material.arms)
    if kind == "energy":
        return comparison.comparison(material.powered, "energy")
    if kind == "time":
        return curves.over_time(material.runs)
    if kind == "layers":
        return networks.layers(material.networks, bits, fps)
    if kind == "tradeoff":
        return networks.tradeoff(material.networks, bits)
    if len(material.networks) > 1:
        raise UsageError(
            f"a figure of kind {kind} shows one network; give one report, or `kind` layers"
        )
    (splits,) = material.networks.values()
    if kind == "cost":
        return costs.cost(splits)
    return costs.output(splits, material.fps_by_point({split.point for split in splits}))
