"""What split points send."""

import msgspec

from splittool.reports.base import FileRecord, Report


class BitrateRow(msgspec.Struct, frozen=True):
    """What one split point sends; `mbps` is by frame rate, `links` by link and frame rate."""

    point: str
    bits: int | None
    elements: int | None
    payload_bytes: float
    mbps: dict[str, float]
    links: dict[str, dict[str, bool]]


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
