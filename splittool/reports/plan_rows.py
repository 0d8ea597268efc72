"""Rows of a plan: ways to divide the work, with their rates and limits."""

from typing import Literal

import msgspec

from splittool.reports.base import FileRecord
from splittool.tables import short
from splittool.vocabulary import Objective

UNKNOWN = "-"
OUTSIDE = "!"


class HeadRateRecord(msgspec.Struct, frozen=True):
    """A measured head of the planned model; `point` is null for the whole of it.

    `latency_ms` is the median, null in older plans.
    """

    point: str | None
    gflops: float
    fps: float
    latency_ms: float | None = None


class RateRecord(msgspec.Struct, frozen=True):
    """Compute rate of a side: as given, or frames per second of a benchmark x GFLOPs of its model.

    Where heads were measured, each operation takes its share, by FLOPs, of the time by which the
    smallest head that has it is slower than the one before; `fps`, `model_gflops` and `latency_ms`,
    the median, are then those of the largest head, whose mean rate applies to the operations that
    no head has.
    """

    given: str
    gflops_per_second: float
    report: FileRecord | None = None
    device: str | None = None
    fps: float | None = None
    model_gflops: float | None = None
    heads: list[HeadRateRecord] = msgspec.field(default_factory=list)
    latency_ms: float | None = None
    requests_in_flight: int | None = None

    def shown(self) -> str:
        """The rate in a few words."""
        if self.report is None:
            return self.given
        heads = f", {len(self.heads)} heads measured" if self.heads else ""
        return f"{self.gflops_per_second:.4g} GFLOPS ({self.given}{heads})"


class LimitsRecord(msgspec.Struct, frozen=True):
    """The limits that a row must keep to; null where there is none."""

    min_dice: float | None = None
    max_edge_gflops: float | None = None
    min_fps: float | None = None
    max_latency_ms: float | None = None
    max_energy_mj: float | None = None


class PlanRow(msgspec.Struct, frozen=True):
    """One division of the work between edge and cloud.

    `latency_ms` is head, transfer, round trip and tail, one after the other; `fps` that of the
    slowest of edge, link and cloud, all at work on different frames, and null where nothing takes
    time. `payload_bytes` are measured where `measured` is true, else elements x bits; `bits` is
    null where no feature is sent, or where tensors differ; `codec` and `quality` say how features
    or the input were compressed. `excluded` names the limits that the row does not keep to.

    `encode_ms` and `decode_ms` are those of a frame, as `infer` measured them on its machine, and
    part of latency and FPS; null, and not counted, where they are not known. `energy_mj` of the
    device is computing, radio and waiting, as `splittool.cost.energy` defines them, and null where
    no figures were given; `waiting_mj` is null where the idle power is not known. `battery_hours`
    are at the plan's frame rate, null for rows that do not reach it, or at the row's own if none is
    given. `head_busy_ms` and `tail_busy_ms` are what a stream of frames takes of each side's time,
    without coding: less than `head_ms` and `tail_ms` where frames overlap; null in older plans.
    """

    point: str
    at: list[str]
    kind: Literal["edge-only", "cloud-only", "cut"]
    named: bool
    bits: int | None
    measured: bool
    payload_bytes: float
    dice: float | None
    head_gflops: float
    tail_gflops: float
    head_gflops_share: float
    head_weighted_layers: int
    head_ms: float
    transfer_ms: float
    tail_ms: float
    latency_ms: float
    fps: float | None
    bottleneck: Literal["edge", "link", "cloud"] | None
    excluded: list[str] = msgspec.field(default_factory=list)
    codec: str | None = None
    quality: int | None = None
    computing_mj: float | None = None
    radio_mj: float | None = None
    waiting_mj: float | None = None
    energy_mj: float | None = None
    battery_hours: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    head_busy_ms: float | None = None
    tail_busy_ms: float | None = None

    def cells(self) -> list[str]:
        """What a table shows of its times and bytes; coding is part of head and tail.

        What a limit does not allow has a mark.
        """
        head, tail = self.head_ms + (self.encode_ms or 0), self.tail_ms + (self.decode_ms or 0)
        return [
            self.name(),
            "+".join(map(_number, (head, self.transfer_ms, tail))),
            self._held("max_latency_ms", _number(self.latency_ms)),
            self._held("min_fps", _number(self.fps)),
            self.bottleneck or "-",
            self._held("max_edge_gflops", f"{self.head_gflops_share:.0%}"),
            _kilobytes(self.payload_bytes),
            self._held("min_dice", short(self.dice, 3)),
        ]

    def _held(self, limit: str, text: str) -> str:
        """A value, marked where a limit does not allow it."""
        return text + OUTSIDE if limit in self.excluded else text

    def energy_cells(self) -> list[str]:
        """What a table shows of its energy."""
        parts = [self.computing_mj, self.radio_mj, self.waiting_mj]
        return [
            self.name(),
            "+".join(_number(part) for part in parts if part is not None),
            self._held("max_energy_mj", _number(self.energy_mj)),
            _number(self.battery_hours),
        ]

    def place(self) -> str:
        """The split point and how what crosses was sent, in a line."""
        return f"{self.point} ({self._way()})" if self.measured else self.point

    def name(self) -> str:
        """The split point, and how what crosses was sent."""
        names = self.at if self.kind == "cut" else [self.point]
        return "\n".join([*names, f"({self._way()})"] if self.measured else names)

    def merits(self, objective: Objective) -> tuple[float, ...]:
        """What a plan minimises, the objective first: latency, time per frame, energy."""
        time = 1 / self.fps if self.fps else 0.0
        found = {"latency": self.latency_ms, "fps": time, "energy": self.energy_mj or 0.0}
        return (found.pop(objective), *found.values())

    def _way(self) -> str:
        """How the input or the crossing tensors were compressed."""
        if self.kind == "edge-only":
            return "masks"
        if self.kind == "cloud-only":
            return f"{self.codec}{'' if self.quality is None else f' q{self.quality}'}"
        bits = "mixed bits" if self.bits is None else f"{self.bits}-bit"
        return f"{bits} {self.codec or ''}".rstrip()


_SHORT = {
    "min_dice": "Dice",
    "max_edge_gflops": "GFLOPs",
    "min_fps": "FPS",
    "max_latency_ms": "ms",
    "max_energy_mj": "mJ",
}


def short_limit(name: str) -> str:
    """A limit as tables name it: by what it limits."""
    return _SHORT[name]


def _number(value: float | None) -> str:
    """At most four characters below 10,000."""
    if value is None:
        return UNKNOWN
    digits = 0 if value == 0 or value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def _kilobytes(size: float) -> str:
    return f"{size / 1e3:.0f}" if size >= 1e3 or not size else f"{size / 1e3:.2g}"
