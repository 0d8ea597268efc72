"""A figure."""

from typing import TYPE_CHECKING

from splittool.reports.base import FileRecord, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class PlotReport(Report, tag="splittool.plot/1"):
    """A figure, and the reports that it was drawn from."""

    kind: str
    reports: list[str]
    figure: FileRecord

    def tables(self) -> "Sequence[RenderableType]":
        """Where the figure is."""
        return [f"wrote {self.figure.path} ({self.kind})"]
