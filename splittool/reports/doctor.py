"""What is installed on this machine."""

from typing import TYPE_CHECKING

import msgspec

from splittool.reports.base import Report
from splittool.tables import make_table, verbatim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class CheckRecord(msgspec.Struct, frozen=True):
    """Something that is here, or not; `fix` holds the commands that get it."""

    name: str
    present: bool
    detail: str
    fix: list[str] = msgspec.field(default_factory=list)


class DoctorReport(Report, tag="splittool.doctor/1"):
    """What is here to measure, compile and train with."""

    checks: list[CheckRecord]

    def tables(self) -> "Sequence[RenderableType]":
        """What is here, then the commands for the rest, each on a line of its own to be pasted."""
        rows = [[c.name, "yes" if c.present else "no", c.detail] for c in self.checks]
        fixes = [
            verbatim("\n".join([f"to get {check.name}:", *(f"  {line}" for line in check.fix)]))
            for check in self.checks
            if check.fix
        ]
        return [make_table("splittool doctor", ["", "here", ""], rows, texts=3), *fixes]
