"""Energy of the device for a frame: computing, radio and waiting.

    energy = computing + radio + waiting
    computing = joules per GFLOP x GFLOPs of the head, or watts x its time, or as measured
    radio = (mW per Mbit/s x rate of the link + base mW) x time of the transfer
    waiting = idle power x (latency - time of the head)

The time to code a frame, where it was measured, counts as the head's; it costs energy where that is
given as a power, and is not known where it is given for GFLOPs.

The radio's power is linear in the throughput (Huang et al., MobiSys 2012, section 4.3), and a
device sends at the link's rate, so each byte costs the same. Power and energy of computing are all
that the device draws meanwhile; for the rest of the frame's latency it draws the idle power, and
the radio on top of that. What a radio draws between frames is not in these figures: give it as
part of the idle power.

Each part is a sum over operations and crossing tensors, but for the round trip's share of waiting,
which is the same for all that sends something. So the cut of least energy is a minimum cut.

A battery lasts for its watt-hours divided by the mean power at a frame rate,

    power = FPS x (computing + radio) + idle power x (1 - FPS x time of the head)

where the last factor, the share of time without computing, is not below 0. With one frame after
the other this is energy x FPS; with frames that overlap no waiting is counted twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from splittool.cost.benched import measured_heads, read_benched
from splittool.cost.minimum_cut import CutCosts
from splittool.cost.operations import OperationCost
from splittool.cost.shares import shared
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph
from splittool.graph.split_points import Source
from splittool.quantities.energy import EdgeEnergy, Radio
from splittool.reports import (
    EdgeEnergyRecord,
    EnergyRecord,
    FileRecord,
    HeadEnergyRecord,
    RadioRecord,
    file_record,
)


def read_edge_energy(
    energy: EdgeEnergy, source: FileRecord, graph: Graph, trust: bool = False
) -> tuple[EdgeEnergyRecord, float | None]:
    """The energy of computing, as given or from a report of `bench-vpu` with joules.

    Args:
        energy: The energy, or the report's file.
        source: The file of the model to plan for, which may be the measured one.
        graph: Its graph.
        trust: Whether the measured model may be a program that can run code.

    Returns:
        The energy, and the idle power in watts that the report says; None if none does.

    Raises:
        InputError: The report is not usable, or has no joules.
    """
    if energy.report is None:
        given = EdgeEnergyRecord(energy.given, energy.joules_per_gflop, energy.watts)
        return given, None
    found = read_benched(energy.report, source, graph, trust)
    joules = []
    for benched in found:
        if benched.run.power is None:
            raise InputError(
                f"{energy.report} has no joules of {benched.run.name}, for no power sensor was"
                " there; write the energy such as 0.02J/GFLOP, or measure again with:"
                f" splittool bench-vpu {benched.run.source.path} --watts 1.5"
            )
        joules.append(benched.run.power.joules_per_frame)
    heads = [
        HeadEnergyRecord(benched.point, benched.gflops, each)
        for benched, each in zip(found, joules, strict=True)
    ]
    power = found[-1].run.power
    assert power is not None
    record = EdgeEnergyRecord(
        energy.given,
        joules_per_gflop=joules[-1] / found[-1].gflops,
        report=file_record(Path(energy.given)),
        sensor="by hand" if power.by_hand else power.sensor,
        heads=heads if measured_heads(found) else [],
    )
    return record, power.idle_watts


def radio_record(radio: Radio) -> RadioRecord:
    """A radio as reports show it."""
    return RadioRecord(radio.name, radio.mw_per_mbps, radio.base_mw, radio.source or None)


def operation_joules(
    energy: EdgeEnergyRecord,
    graph: Graph,
    costs: Mapping[int, OperationCost],
    seconds: Mapping[int, float],
) -> dict[int, float]:
    """Joules of each operation on the device, by its index.

    Args:
        energy: The energy of computing.
        graph: The graph of the planned model.
        costs: The `operation_costs` of that graph.
        seconds: What the operations take of the device's time, for energy given as power.
    """
    if energy.watts is not None:
        return {index: energy.watts * each for index, each in seconds.items()}
    heads = [(head.point, head.joules) for head in energy.heads]
    return shared(graph, costs, energy.joules_per_gflop or 0.0, heads)


def radio_millijoules(radio: RadioRecord, size: float, link_mbps: float) -> float:
    """Energy of sending some bytes at a link's rate, in mJ."""
    milliwatts = radio.mw_per_mbps * link_mbps + radio.base_mw
    return milliwatts * size * 8 / (link_mbps * 1e6)


@dataclass(frozen=True)
class Spent:
    """Energy of the device for a frame, in mJ.

    Attributes:
        computing: The head.
        radio: Sending what crosses.
        waiting: The rest of the latency at idle power; None where that is not known.
    """

    computing: float
    radio: float
    waiting: float | None

    @property
    def total(self) -> float:
        """All that is known."""
        return self.computing + self.radio + (self.waiting or 0.0)


@dataclass(frozen=True)
class EnergyModel:
    """What a frame costs the device.

    Attributes:
        record: Computing, radio, idle power and battery.
        link_mbps: The link's rate.
    """

    record: EnergyRecord
    link_mbps: float

    def spent(self, computing_mj: float, size: float, rest_ms: float) -> Spent:
        """Energy of a frame.

        Args:
            computing_mj: Energy of the head.
            size: Bytes sent.
            rest_ms: The latency without the device's time.
        """
        idle = self.record.idle_watts
        waiting = None if idle is None else idle * rest_ms
        radio = radio_millijoules(self.record.radio, size, self.link_mbps)
        return Spent(computing_mj, radio, waiting)

    def hours(self, spent: Spent, busy_s: float, fps: float | None) -> float | None:
        """How long the battery lasts at a frame rate; None without a battery or a rate.

        Args:
            spent: Energy of a frame.
            busy_s: Seconds of the device's time that the head takes of a stream of frames.
            fps: The frame rate.
        """
        if self.record.battery_wh is None or fps is None:
            return None
        watts = fps * (spent.computing + spent.radio) / 1e3
        watts += (self.record.idle_watts or 0.0) * max(1 - fps * busy_s, 0.0)
        return self.record.battery_wh / watts if watts else None

    def costs(
        self, joules: Mapping[int, float], times: CutCosts, sizes: Mapping[Source, float]
    ) -> CutCosts:
        """Joules of the device by operation and tensor, for the cut of least energy.

        Args:
            joules: Of each operation on the device.
            times: Seconds of each operation in the cloud, and of each tensor on the link, in which
                the device waits.
            sizes: Bytes of each tensor.
        """
        idle, radio = self.record.idle_watts or 0.0, self.record.radio
        return CutCosts(
            joules,
            {index: idle * seconds for index, seconds in times.cloud.items()},
            {
                source: radio_millijoules(radio, size, self.link_mbps) / 1e3
                + idle * times.link[source]
                for source, size in sizes.items()
            },
        )


def require_energy(edge: object, radio: object, uses: Mapping[str, bool]) -> bool:
    """Whether energies are wanted; what they need must be given with what asks for them.

    Args:
        edge: The energy of computing; None if it was not given.
        radio: The radio, likewise.
        uses: What asks for energies, by its name, and whether it was given.

    Raises:
        UsageError: A figure is missing.
    """
    given = {"edge_energy": edge is not None, "radio": radio is not None}
    asked = [name for name, is_given in {**given, **uses}.items() if is_given]
    for name, is_given in given.items():
        if asked and not is_given:
            raise UsageError(
                f"`{asked[0]}` needs `{name}` as well: energy is computing and radio, and neither"
                " is assumed"
            )
    return bool(asked)
