"""A cut as a model repository of another server."""

from typing import TYPE_CHECKING, Literal

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

_START = {
    "triton": "tritonserver --model-repository {}",
    "ovms": "ovms --config_path {}/config.json --port 9000",
}


class RepositoryReport(Report, tag="splittool.repository/1"):
    """A model repository; files are named relative to `folder`.

    `instances` compute at the same time, and `queue` frames wait for them at most; null where the
    server decides.
    """

    command = "splittool export CUT --target triton"
    source: FileRecord
    target: Literal["triton", "ovms"]
    folder: str
    model: str
    version: str
    files: list[FileRecord]
    instances: int | None = None
    queue: int | None = None

    def tables(self) -> "Sequence[RenderableType]":
        """The files, and how the server is started."""
        rows = [[record.path, f"{record.bytes:,}"] for record in self.files]
        return [
            make_table(f"{self.model}, version {self.version}", ["file", "bytes"], rows),
            f"wrote {self.source.path} as {self.model} to {self.folder}",
            f"serve it with: {_START[self.target].format(self.folder)}",
        ]
