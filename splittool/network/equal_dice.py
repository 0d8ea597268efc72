"""How many bytes a series of arms needs for some Dice."""

from collections.abc import Sequence
from math import exp, log

from splittool.reports import ArmRecord, EqualDiceRecord

LEAST_RATES = 6  # of a series that is interpolated


def equal_dice(arms: Sequence[ArmRecord], targets: Sequence[float]) -> list[EqualDiceRecord]:
    """Bytes of every series at every target.

    Between two rates Dice is taken to be linear in the logarithm of the bytes; where it goes up and
    down, the fewest bytes that reach the target count, which favours the series. Nothing is
    extrapolated: above its best Dice a series has no bytes, and below its lowest rate those of
    that rate.

    Args:
        arms: All arms; those of the whole network, which sends nothing, are left out.
        targets: Dice over defective pairs.
    """
    series: dict[str, list[ArmRecord]] = {}
    for arm in arms:
        if arm.kind != "whole" and arm.dice is not None:
            series.setdefault(arm.series, []).append(arm)
    return [_record(name, members, dice) for dice in targets for name, members in series.items()]


def _record(name: str, members: Sequence[ArmRecord], dice: float) -> EqualDiceRecord:
    points = [(arm.payload_bytes_per_frame, arm.dice or 0.0) for arm in members]
    bare = [
        (arm.bare_bytes_per_frame, arm.dice or 0.0)
        for arm in members
        if arm.bare_bytes_per_frame is not None
    ]
    if max(reached for _, reached in points) < dice:
        return EqualDiceRecord(name, dice, len(points), "not reached")
    if len(points) == 1:
        sizes = (points[0][0], bare[0][0] if bare else None)
        return EqualDiceRecord(name, dice, 1, "measured", *sizes)
    if len(points) < LEAST_RATES:
        return EqualDiceRecord(name, dice, len(points), "too few rates")
    lowest = min(points)[1] >= dice
    return EqualDiceRecord(
        name,
        dice,
        len(points),
        "at most" if lowest else "interpolated",
        _bytes_at(points, dice),
        _bytes_at(bare, dice) if bare else None,
    )


def _bytes_at(points: Sequence[tuple[float, float]], dice: float) -> float:
    """The fewest bytes of points (bytes, Dice), one of which reaches the Dice."""
    ordered = sorted(points)
    number = next(number for number, (_, reached) in enumerate(ordered) if reached >= dice)
    high, above = ordered[number]
    if number == 0 or above == dice:
        return high
    low, below = ordered[number - 1]
    share = (dice - below) / (above - below)
    return exp(log(low) + share * (log(high) - log(low)))
