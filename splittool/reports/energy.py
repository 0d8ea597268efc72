"""Energy in reports: what a sensor measured, and what a plan reckons with."""

from typing import Literal

import msgspec

from splittool.reports.base import FileRecord


class PowerRecord(msgspec.Struct, frozen=True):
    """Power drawn during a benchmark, and the energy of a frame.

    `watts` and `joules_per_frame` hold all that the sensor sees, the idle machine included;
    `idle_watts` is what it saw for `idle_s` before the first frame, and `net_joules_per_frame` is
    what is left without that. `covers` says whose power it is. `range` is where a counter starts
    again or the most that a sensor shows, `resolution` the smallest step between two of its
    `readings`, both in `unit` and null where nothing says so. `by_hand` marks watts that were given
    with the command and not measured.
    """

    sensor: str
    covers: str
    watts: float
    joules_per_frame: float
    by_hand: bool = False
    idle_watts: float | None = None
    idle_s: float | None = None
    net_joules_per_frame: float | None = None
    unit: Literal["J", "W"] | None = None
    range: float | None = None
    resolution: float | None = None
    readings: int | None = None

    def shown(self) -> str:
        """The energy and its sensor in a line or two."""
        if self.by_hand:
            return f"{millijoules(self.joules_per_frame)} a frame at {self.watts:g} W, by hand"
        text = f"{millijoules(self.joules_per_frame)} a frame, {self.watts:.3g} W"
        if self.idle_watts is not None and self.net_joules_per_frame is not None:
            text += (
                f"; {millijoules(self.net_joules_per_frame)} above the idle {self.idle_watts:.3g} W"
            )
        about = [f"of {self.covers}"]
        if self.range is not None:
            about.append(f"range {self.range:.4g} {self.unit}")
        if self.resolution is not None:
            about.append(f"resolution {self.resolution:.2g} {self.unit}")
        return f"{text}\n{self.sensor}: {', '.join(about)}"


class HeadEnergyRecord(msgspec.Struct, frozen=True):
    """Measured joules of a head of the planned model; `point` is null for the whole of it."""

    point: str | None
    gflops: float
    joules: float


class EdgeEnergyRecord(msgspec.Struct, frozen=True):
    """Energy of computing on the device: for work, or as power while it computes, or measured.

    From a benchmark, `joules_per_gflop` are its joules per frame over the GFLOPs of its model; of
    several heads, those of the largest.
    """

    given: str
    joules_per_gflop: float | None = None
    watts: float | None = None
    report: FileRecord | None = None
    sensor: str | None = None
    heads: list[HeadEnergyRecord] = msgspec.field(default_factory=list)

    def shown(self) -> str:
        """The energy in a few words."""
        if self.report is None:
            return self.given
        heads = f", {len(self.heads)} heads measured" if self.heads else ""
        return f"{self.joules_per_gflop:.3g} J/GFLOP ({self.given}{heads})"


class RadioRecord(msgspec.Struct, frozen=True):
    """Power of the radio while it sends: `mw_per_mbps` x throughput in Mbit/s + `base_mw`."""

    name: str
    mw_per_mbps: float
    base_mw: float
    source: str | None = None


class EnergyRecord(msgspec.Struct, frozen=True):
    """What a plan's energies rest on; `idle_watts` is null where waiting is not counted."""

    edge: EdgeEnergyRecord
    radio: RadioRecord
    idle_watts: float | None = None
    battery_wh: float | None = None

    def remarks(self) -> list[str]:
        """What the energies of a plan rest on, in lines."""
        idle = (
            "waiting not counted (--idle-power)"
            if self.idle_watts is None
            else f"waiting at {self.idle_watts:g} W"
        )
        return self.basis(idle)

    def basis(self, rest: str) -> list[str]:
        """Computing and radio, then the rest of what is counted or not, in lines."""
        radio = self.radio
        lines = [
            f"energy: computing {self.edge.shown()}; radio {radio.name},"
            f" {radio.mw_per_mbps:g} mW/Mbps + {radio.base_mw:g} mW while it sends; {rest}"
        ]
        if radio.source:
            lines.append(f"radio figures: {radio.source}")
        return lines


def millijoules(joules: float) -> str:
    """Joules as a person reads them."""
    return f"{joules * 1e3:.3g} mJ"
