"""What a plan is made for, as people write it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from splittool.codec.choices import check_bits
from splittool.cost.energy import require_energy
from splittool.cost.limits import check_limits
from splittool.errors import UsageError
from splittool.quantities import (
    Compute,
    Link,
    parse_compute,
    parse_link,
    parse_milliseconds,
    require_positive,
)
from splittool.quantities.energy import (
    EdgeEnergy,
    Radio,
    parse_edge_energy,
    parse_radio,
    parse_watt_hours,
    parse_watts,
)
from splittool.reports import LimitsRecord
from splittool.vocabulary import Objective


@dataclass(frozen=True)
class PlanOptions:
    """What a plan is made for.

    Attributes:
        edge: Compute rate of the device: a rate such as "100GFLOPS", a number of GFLOPS, or a
            report of `bench-vpu`.
        cloud: Compute rate of the cloud, given in the same way.
        link: A rate such as "100Mbps", a number of Mbit/s, or a link's name.
        rtt: Round-trip time of the link: a time such as "10ms", or a number of milliseconds.
        bits: Bits per element of features that were not measured.
        infer: Reports of `infer` and `compare`, which say the bytes and Dice of cuts and inputs.
        image_bytes: Size of the input as it is sent; None for what `infer` measured, or else for
            raw values.
        answer_bytes: Size of the answer that the whole network on the device sends; 0 if it is
            wanted there alone, None for what `infer` measured, or else for an estimate.
        best: What the chosen row is best in.
        limits: What the chosen row must keep to. Where Dice of cuts or compressed images and of the
            whole network was measured and no `min_dice` is given, 0.005 may be lost.
        shapes: The shapes that the network was read with, for the command that makes the cut.
        edge_energy: Energy of computing on the device: joules for work such as "0.02J/GFLOP", power
            while it computes such as "1.5W", or a report of `bench-vpu` with measured joules.
        radio: A radio's name, or its power while it sends such as "283mW/Mbps+133mW".
        idle_power: What the device draws while it waits, such as "0.5W"; None for what the report
            of `edge_energy` says, or else to count no waiting.
        battery: What the battery holds, such as "10Wh".
        fps: The frame rate that is wanted, which rows must reach to be chosen; None for what each
            cut can do.
        top: How many distinct places to show; None shows the named, measured and chosen ones.
        pareto: Show only places that no other one beats in bytes, work on the device and Dice.
        trust: Whether programs of PyTorch, which can run code, are read: the network was, and a
            model that a report measured may be.
        devices: How many devices send `fps` frames a second each; None for one.
    """

    edge: str | float | Path | Compute
    cloud: str | float | Path | Compute
    link: str | float | Link
    rtt: str | float = 0.0
    bits: int = 16
    infer: Sequence[str | Path] = ()
    image_bytes: float | None = None
    best: Objective = "latency"
    limits: LimitsRecord = field(default_factory=LimitsRecord)
    shapes: Sequence[str] = ()
    answer_bytes: float | None = None
    edge_energy: str | Path | EdgeEnergy | None = None
    radio: str | Radio | None = None
    idle_power: str | float | None = None
    battery: str | float | None = None
    fps: float | None = None
    top: int | None = None
    pareto: bool = False
    trust: bool = False
    devices: int | None = None

    def check(self) -> None:
        """Find what is out of range, before a network is read.

        Raises:
            UsageError: An option is out of range or cannot be read.
        """
        check_limits(self.limits)
        check_bits(self.bits)
        require_positive(self.image_bytes, "`image_bytes`")
        if self.answer_bytes is not None and not 0 <= self.answer_bytes < inf:
            raise UsageError(f"`answer_bytes` {self.answer_bytes} is out of range; give 0 or more")
        parse_link(self.link)
        parse_milliseconds(self.rtt)
        parse_compute(self.edge)
        parse_compute(self.cloud)
        require_positive(self.fps, "`fps`")
        if self.top is not None and self.top < 1:
            raise UsageError(f"`top` {self.top} is out of range; give 1 or more")
        if self.devices is not None and self.devices < 1:
            raise UsageError(f"`devices` {self.devices} is out of range; give 1 or more")
        if self.devices is not None and self.fps is None:
            raise UsageError("`devices` send frames at a rate; give it with `fps`")
        self._check_energy()

    def _check_energy(self) -> None:
        uses = {
            "max_energy": self.limits.max_energy_mj is not None,
            "idle_power": self.idle_power is not None,
            "battery": self.battery is not None,
            "best": self.best == "energy",
        }
        if not require_energy(self.edge_energy, self.radio, uses):
            return
        if self.edge_energy is not None:
            parse_edge_energy(self.edge_energy)
        if self.radio is not None:
            parse_radio(self.radio)
        if self.idle_power is not None:
            parse_watts(self.idle_power)
        if self.battery is not None:
            parse_watt_hours(self.battery)
