"""The report of `splittool relay`."""

from typing import TYPE_CHECKING

from splittool.reports.base import Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class RelayReport(Report, tag="splittool.relay/1", kw_only=True):
    """What passed through a relay, and what it did to it.

    Attributes:
        target: Where it led.
        seconds: How long.
        connections: How many came.
        dropped: How many were broken on purpose.
        corrupted: Bytes that were changed on purpose.
        stalls: Times when nothing passed on purpose.
        bytes: How many passed, in both directions.
    """

    target: str
    seconds: float
    connections: int
    dropped: int
    corrupted: int
    stalls: int
    bytes: int

    def tables(self) -> "Sequence[RenderableType]":
        """One row for each."""
        names = ("connections", "dropped", "corrupted", "stalls", "bytes")
        rows = [[name, f"{getattr(self, name):,}"] for name in names]
        return [make_table(f"to {self.target}, {short(self.seconds, 0)} s", ["", "value"], rows)]
