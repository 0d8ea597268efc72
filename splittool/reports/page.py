"""A page of reports."""

from typing import TYPE_CHECKING

from splittool.reports.base import FileRecord, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class PageReport(Report, tag="splittool.page/1"):
    """A page, the reports that are on it, and how many images."""

    reports: list[str]
    images: int
    page: FileRecord

    def tables(self) -> "Sequence[RenderableType]":
        """Where the page is."""
        what = f"{len(self.reports)} reports" + (f", {self.images} images" if self.images else "")
        return [f"wrote {self.page.path} ({what}, {self.page.bytes / 1e6:.1f} MB)"]
