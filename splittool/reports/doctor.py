"""What is installed here."""

import msgspec

from splittool.reports.base import Report


class CheckRecord(msgspec.Struct, frozen=True):
    """Something that is here, or not; `fix` holds the commands that get it."""

    name: str
    present: bool
    detail: str
    fix: list[str] = msgspec.field(default_factory=list)


class DoctorReport(Report, tag="splittool.doctor/1"):
    """What is here to measure and compile with."""

    checks: list[CheckRecord]
