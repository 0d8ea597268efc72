"""The limits that a row of a plan must keep to."""

from collections import Counter

from msgspec.structs import replace

from splittool.errors import UsageError
from splittool.quantities import require_positive
from splittool.reports import LimitsRecord, PlanReport, PlanRow

NEARLY = 0.005  # of Dice, that a row may lose and still count as as good


def check_limits(limits: LimitsRecord) -> LimitsRecord:
    """Refuse limits that mean nothing.

    Raises:
        UsageError: A limit is out of range.
    """
    dice, gflops = limits.min_dice, limits.max_edge_gflops
    if dice is not None and not 0 <= dice <= 1:
        raise UsageError(f"`min_dice` {dice:g} is out of range; give 0 to 1")
    if gflops is not None and not 0 <= gflops < float("inf"):
        raise UsageError(f"`max_edge_gflops` {gflops:g} is out of range; give 0 or more")
    require_positive(limits.min_fps, "`min_fps`")
    require_positive(limits.max_latency_ms, "`max_latency`")
    require_positive(limits.max_energy_mj, "`max_energy`")
    return limits


def implied_limits(
    limits: LimitsRecord, whole_dice: float | None, fps: float | None
) -> LimitsRecord:
    """The limits, and those that nobody gave.

    Where Dice was measured, the fewest bytes would be chosen, whatever they lose; so a row must
    lose no more than 0.005 of the whole network's. A frame rate that is wanted must be reached.

    Args:
        limits: As given.
        whole_dice: That of the whole network, where others were measured beside it.
        fps: The frame rate that is wanted.
    """
    if limits.min_dice is None and whole_dice is not None:
        limits = replace(limits, min_dice=max(whole_dice - NEARLY, 0.0))
    if limits.min_fps is None and fps is not None:
        limits = replace(limits, min_fps=fps)
    return limits


def is_implied(name: str, limits: LimitsRecord, given: LimitsRecord) -> bool:
    """Whether a limit holds that nobody gave."""
    return getattr(limits, name) is not None and getattr(given, name) is None


def excluded_by(row: PlanRow, limits: LimitsRecord) -> list[str]:
    """Names of the limits that a row does not meet; an unmeasured Dice meets no `min_dice`."""
    return [
        name
        for name, (value, highest) in _values(row).items()
        if (limit := getattr(limits, name)) is not None
        and (value is None or (value > limit if highest else value < limit))
    ]


def _values(row: PlanRow) -> dict[str, tuple[float | None, bool]]:
    """The value that each limit applies to, and whether the limit is a highest or a lowest one."""
    return {
        "min_dice": (row.dice, False),
        "max_edge_gflops": (row.head_gflops, True),
        "min_fps": (float("inf") if row.fps is None else row.fps, False),
        "max_latency_ms": (row.latency_ms, True),
        "max_energy_mj": (row.energy_mj, True),
    }


def nothing_fits(report: PlanReport) -> str:
    """Why no row was chosen, in one line: the limit that excludes most, and the best value."""
    counts = Counter(name for row in report.rows for name in row.excluded)
    name, count = counts.most_common(1)[0]
    found = [_values(row)[name] for row in report.rows]
    values = [value for value, _ in found if value is not None]
    option = "fps" if name == "min_fps" and name in report.implied else name
    limit = f"`{option.removesuffix('_ms').removesuffix('_mj')}`"
    if not values:
        return (
            f"{limit} {getattr(report.limits, name):g} excludes every split point: none has a"
            " measured Dice; give reports with `infer`"
        )
    best = min(values) if found[0][1] else max(values)
    return (
        f"nothing fits all limits; {limit} {getattr(report.limits, name):g} excludes most,"
        f" {count} of {len(report.rows)} rows (the best has {best:.4g}); relax it"
    )
