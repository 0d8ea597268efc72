"""What all reports share: the files they are of, when they were made, and with what."""

import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from splittool import __version__
from splittool.files import sha256
from splittool.tables import as_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class FileRecord(msgspec.Struct, frozen=True):
    """A file that was read or written."""

    path: str
    bytes: int
    sha256: str


class Report(msgspec.Struct, kw_only=True, tag_field="schema"):
    """What all reports share."""

    created: str = msgspec.field(
        default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds")
    )
    versions: dict[str, str] = msgspec.field(default_factory=lambda: versions())

    def tables(self) -> "Sequence[RenderableType]":
        """What a person reads: tables and lines for a terminal 80 columns wide."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        """The tables, in a notebook."""
        return as_html(self.tables())


def versions() -> dict[str, str]:
    """Versions of what decides a result; torch only where it was used."""
    found = {"splittool": __version__, "python": platform.python_version()}
    for name in ("openvino", "numpy", "zstandard", "imagecodecs", "torch"):
        if name in sys.modules:
            found[name] = metadata.version(name)
    return found


def file_record(path: Path, shown: str | None = None) -> FileRecord:
    """Describe a file; `shown` is the name to record in place of its path."""
    return FileRecord(shown or str(path), path.stat().st_size, sha256(path))
