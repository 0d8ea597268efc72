"""Energy of the device for each way to get masks that was compared.

energy = joules per GFLOP x GFLOPs on the device + energy of the radio for the bytes sent, as
`splittool.cost.energy` defines them. Compressing images or features and waiting for the cloud are
not in it: a comparison knows neither the time nor the round trip.
"""

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from splittool.cost.energy import (
    EnergyModel,
    radio_millijoules,
    radio_record,
    read_edge_energy,
    require_energy,
)
from splittool.errors import UsageError
from splittool.network.network import Network
from splittool.quantities import Link, parse_link
from splittool.quantities.energy import EdgeEnergy, Radio, parse_edge_energy, parse_radio
from splittool.reports import ArmRecord, EnergyRecord


@dataclass(frozen=True)
class EnergyOptions:
    """What the energy of the device is reckoned from; all of it, or nothing.

    Attributes:
        edge_energy: Energy of computing: joules for work such as "0.02J/GFLOP", or a report of
            `bench-vpu` with joules.
        radio: A radio's name, or its power while it sends such as "283mW/Mbps+133mW".
        link: The link, at whose rate the radio sends: "20Mbps", Mbit/s, or a name.
    """

    edge_energy: str | Path | EdgeEnergy | None = None
    radio: str | Radio | None = None
    link: str | float | Link | None = None

    def model(self, network: Network) -> EnergyModel | None:
        """What a frame costs the device; None where nothing was given.

        Raises:
            UsageError: A figure is missing or cannot be read, or is a power, which needs a time.
            InputError: The report is not usable, or has no joules.
        """
        if not require_energy(self.edge_energy, self.radio, {"link": self.link is not None}):
            return None
        if self.edge_energy is None or self.radio is None or self.link is None:
            raise UsageError(
                "`edge_energy` and `radio` need `link` as well: its rate is the radio's"
            )
        computing = parse_edge_energy(self.edge_energy)
        if computing.watts is not None:
            raise UsageError(
                f"`edge_energy` {computing} is a power, and the device's time is not known here;"
                " give joules for work such as 0.02J/GFLOP, or the .json report of bench-vpu"
            )
        record, _ = read_edge_energy(computing, network.record, network.graph, network.trust)
        energy = EnergyRecord(record, radio_record(parse_radio(self.radio)))
        return EnergyModel(energy, parse_link(self.link).mbps)


def with_energy(arm: ArmRecord, model: EnergyModel | None) -> ArmRecord:
    """The arm with its energy, where that is known."""
    if model is None:
        return arm
    computing = (model.record.edge.joules_per_gflop or 0.0) * arm.edge_gflops * 1e3
    radio = radio_millijoules(model.record.radio, arm.payload_bytes_per_frame, model.link_mbps)
    return replace(arm, energy_mj=computing + radio)
