"""The reports of a page: which files, on which device, when; and what they say as tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from splittool.figures.material import open_report
from splittool.reports import BenchReport, FileRecord, Report
from splittool.tables import Cells, content, printable


@dataclass(frozen=True)
class Source:
    """One report.

    Attributes:
        report: What it says.
        shown: Its file.
        label: The name that the user gave it; empty without one.
    """

    report: Report
    shown: str
    label: str = ""

    @property
    def name(self) -> str:
        """What the page calls it."""
        return printable(self.label or self.shown)

    @property
    def kind(self) -> str:
        """The name of its schema without the version, such as "plan"."""
        tag = str(self.report.__struct_config__.tag)
        return tag.removeprefix("splittool.").partition("/")[0]

    @property
    def made(self) -> str:
        """When, without the "T" that only programs like."""
        return printable(self.report.created).replace("T", " ").replace("+00:00", " UTC")

    @property
    def versions(self) -> str:
        """Versions of what decided the result."""
        return printable(", ".join(f"{k} {v}" for k, v in self.report.versions.items()))

    @property
    def device(self) -> str:
        """Where it was measured; empty where nothing was, or where the report does not say."""
        runs = [part for part in _parts(self.report) if isinstance(part, BenchReport)]
        names = [f"{', '.join(run.device_used)}: {run.device_name}" for run in runs]
        if not names and isinstance(device := getattr(self.report, "device", None), str):
            names = [device]
        return printable("; ".join(dict.fromkeys(names)))

    @property
    def files(self) -> list[FileRecord]:
        """All files that it names with their SHA-256."""
        return [part for part in _parts(self.report) if isinstance(part, FileRecord)]

    @property
    def contents(self) -> list[Cells | str]:
        """Its tables and lines, as a terminal shows them."""
        return [_clean(content(shown)) for shown in self.report.tables()]


def read_sources(reports: Sequence[str | Path | Report]) -> list[Source]:
    """Read reports of any kind.

    Args:
        reports: Reports, their files, "NAME=FILE", or "-" for standard input.

    Raises:
        InputError: A file is missing, damaged or something else.
    """
    opened = [open_report(report) for report in reports]
    return [Source(report, shown, label) for report, label, shown in opened]


def files_of(sources: Sequence[Source]) -> list[FileRecord]:
    """The files behind reports, each once, in the order in which they are named."""
    return list(dict.fromkeys(file for source in sources for file in source.files))


def _clean(part: Cells | str) -> Cells | str:
    if isinstance(part, str):
        return printable(part)
    return Cells(
        printable(part.title),
        [printable(name) for name in part.columns],
        [[printable(cell) for cell in row] for row in part.rows],
    )


def _parts(value: Any) -> Iterator[Any]:
    """A value and all structs within it."""
    if isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from _parts(getattr(value, name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _parts(each)
    elif isinstance(value, dict):
        yield from _parts(list(value.values()))
