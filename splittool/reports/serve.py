"""The report of `splittool serve`."""

from typing import TYPE_CHECKING

import msgspec

from splittool.reports.base import Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class ServedRecord(msgspec.Struct, frozen=True):
    """One cut that was served."""

    name: str
    version: str
    path: str


class ServeReport(Report, tag="splittool.serve/1", kw_only=True):
    """What a server did until it was told to end.

    Attributes:
        address: Where it listened.
        models: What it served.
        seconds: How long.
        requests: How many requests ended with each gRPC status.
    """

    address: str
    models: list[ServedRecord]
    seconds: float
    requests: dict[str, int]

    def tables(self) -> "Sequence[RenderableType]":
        """Requests by status."""
        rows = [[code, str(count)] for code, count in sorted(self.requests.items())]
        title = f"{self.address}, {short(self.seconds, 0)} s"
        return [make_table(title, ["requests", "number"], rows)]
