"""The bitrate of split points."""

from typing import TYPE_CHECKING

import msgspec

from splittool.reports.base import FileRecord, Report
from splittool.tables import make_table, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


class BitrateRow(msgspec.Struct, frozen=True):
    """What one split point sends; `mbps` is by frame rate, `links` by link and frame rate.

    They are arithmetic. `measured_bytes` and `measured_mbps` are those of the smallest frame that
    `infer` or `compare` measured there at these bits, with `measured_codec`; null without any.
    """

    point: str
    bits: int | None
    elements: int | None
    payload_bytes: float
    mbps: dict[str, float]
    links: dict[str, dict[str, bool]]
    measured_bytes: float | None = None
    measured_mbps: dict[str, float] | None = None
    measured_codec: str | None = None


class BitrateReport(Report, tag="splittool.bitrate/1"):
    """Mbit/s (10^6) of every split point, precision and frame rate; `links` holds their Mbit/s."""

    source: FileRecord | None
    bits: list[int]
    fps: list[float]
    links: dict[str, float]
    rows: list[BitrateRow]
    image_files: int | None
    max_mbps: float | None
    over_limit: list[str]

    def tables(self) -> "Sequence[RenderableType]":
        """One row for each split point and precision, with the frame rates that fit each link."""
        columns = ["point", "bits", "elements", *(f"Mbit/s\n{fps:g} FPS" for fps in self.fps)]
        columns += [f"measured\n{fps:g} FPS" for fps in self.fps] if self._measured else []
        for name, rate in self.links.items():
            columns.append(f"fits {name.replace('-', '-' + chr(10))}\n{rate:g} Mbit/s")
        bits = "several precisions" if len(self.bits) > 1 else f"{self.bits[0]} bits"
        title = f"bitrate at {bits}; 'fits' lists the FPS that fit the link"
        return [make_table(title, columns, [self._cells(row) for row in self.rows])]

    @property
    def _measured(self) -> bool:
        return any(row.measured_mbps is not None for row in self.rows)

    def _cells(self, row: BitrateRow) -> list[str]:
        size = "-" if row.elements is None else f"{row.elements:,}"
        cells = [row.point, "-" if row.bits is None else str(row.bits), size]
        cells += [f"{row.mbps[f'{fps:g}']:.2f}" for fps in self.fps]
        if self._measured:
            found = row.measured_mbps or {}
            cells += [short(found.get(f"{fps:g}"), 2) for fps in self.fps]
        for name in self.links:
            fits = [f"{fps:g}" for fps in self.fps if row.links[name][f"{fps:g}"]]
            cells.append(" ".join(fits) if fits else "none")
        return cells
