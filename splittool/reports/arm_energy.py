"""Energy beside bytes and Dice, of the ways that were compared."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from splittool.reports.energy import EnergyRecord
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from rich.console import RenderableType

    from splittool.reports.compare import ArmRecord


def energy_tables(
    arms: "Sequence[ArmRecord]", energy: EnergyRecord | None, link_mbps: float | None
) -> "list[RenderableType]":
    """The ways that no other one beats in both energy and Dice, and what energies rest on."""
    if energy is None or link_mbps is None:
        return []
    lines = [
        [
            f"{arm.series}{_rate(arm)}",
            short(arm.energy_mj, 2),
            f"{arm.payload_bytes_per_frame:,.0f}",
            f"{arm.edge_gflops:.3g}",
            short(arm.dice, 4),
        ]
        for arm in frontier(arms)
    ]
    columns = ["way", "mJ", "bytes", "edge\nGFLOPs", "Dice"]
    title = f"least energy of the device for its Dice, at {link_mbps:g} Mbit/s"
    remarks = energy.basis("compressing and waiting are not counted")
    return [make_table(title, columns, lines), *remarks]


def frontier(arms: "Sequence[ArmRecord]") -> "list[ArmRecord]":
    """Arms that send something and have more Dice than all of less energy, the least first."""
    known = [
        arm
        for arm in arms
        if arm.kind != "whole" and arm.energy_mj is not None and arm.dice is not None
    ]
    best: list[ArmRecord] = []
    for arm in sorted(known, key=lambda arm: (arm.energy_mj or 0.0, -(arm.dice or 0.0))):
        if not best or (arm.dice or 0.0) > (best[-1].dice or 0.0):
            best.append(arm)
    return best


def _rate(arm: "ArmRecord") -> str:
    if arm.quality is not None:
        return f" q{arm.quality}"
    return "" if arm.bits is None else f", {arm.bits}-bit"
