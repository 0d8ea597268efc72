"""A page of reports."""

from typing import TYPE_CHECKING

from splittool.reports.base import FileRecord, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class PageReport(Report, tag="splittool.page/1"):
    """A page, and the reports that are on it."""

    reports: list[str]
    page: FileRecord

    def tables(self) -> "Sequence[RenderableType]":
        """Where the page is."""
        size = f"{self.page.bytes / 1e6:.1f} MB"
        return [f"wrote {self.page.path} ({len(self.reports)} reports, {size})"]
