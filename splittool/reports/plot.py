"""A figure."""

from splittool.reports.base import FileRecord, Report


class PlotReport(Report, tag="splittool.plot/1"):
    """A figure that was drawn, and what from."""

    kind: str
    reports: list[str]
    figure: FileRecord
