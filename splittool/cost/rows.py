"""Rows of a plan: a way to divide a network between edge and cloud, with its costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from splittool.cost.deployment import Amount, Deployment
from splittool.cost.limits import excluded_by
from splittool.cost.measurements import Measured, Sent
from splittool.cost.minimum_cut import CutCosts
from splittool.graph.graph import Graph
from splittool.graph.split_points import INPUT, Cut, split_points
from splittool.reports import LimitsRecord, PlanRow, SplitRecord

Kind = Literal["edge-only", "cloud-only", "cut"]
Side = Literal["edge", "link", "cloud"]

# What the head takes on the edge and the tail in the cloud, by the ends of a cut.
Halves = dict[tuple[str, ...], tuple[float, float]]

_EVERYTHING = ()  # the ends of a head that has no tail


def split_point_halves(graph: Graph, costs: CutCosts) -> Halves:
    """For every split point in topological order, for the input, and for the whole network."""
    edge, cloud = 0.0, sum(costs.cloud.values())
    found: Halves = {_EVERYTHING: (sum(costs.edge.values()), 0.0), (INPUT,): (edge, cloud)}
    for place in split_points(graph):
        edge += costs.edge[place.operation]
        cloud = max(cloud - costs.cloud[place.operation], 0.0)  # rounding may go below
        at = tuple(graph.operations[index].name for index in sorted(place.ends))
        found[at] = (edge, cloud)
    return found


def cut_halves(cut: Cut, costs: CutCosts) -> tuple[float, float]:
    """For one cut."""
    return (
        sum(costs.edge[index] for index in cut.head),
        sum(amount for index, amount in costs.cloud.items() if index not in cut.head),
    )


@dataclass(frozen=True)
class Pricing:
    """Turns cuts into rows.

    Attributes:
        deployment: Rates of edge, cloud and link.
        sizes: Bytes of each tensor, by its name.
        limits: What the chosen row must keep to.
        measured: What was measured of the network's cuts.
        named: Split points that the network names.
        halves: Seconds, and joules where they are known, on edge and cloud.
    """

    deployment: Deployment
    sizes: Mapping[str, float]
    limits: LimitsRecord
    measured: Measured
    named: frozenset[str]
    halves: Mapping[Amount, Halves]

    def edge_only(self, whole: SplitRecord) -> PlanRow:
        """The whole network is on the device, which sends its answer."""
        work = {"head_gflops": whole.tail_gflops, "tail_gflops": 0.0}
        split = replace(whole, point="edge only", at=list(_EVERYTHING), tensors=[], **work)
        answer = Sent(self.deployment.answer_bytes, self.measured.whole_dice)
        if self.measured.answer and self.measured.answer.payload_bytes == answer.payload_bytes:
            return self._row(split, "edge-only", self.measured.answer, True)
        return self._row(split, "edge-only", answer)

    def cloud_only(self, whole: SplitRecord) -> list[PlanRow]:
        """The input is sent: as it is, and in each way that was measured."""
        split = replace(whole, point="cloud only")
        as_it_is = Sent(self._computed(split), self.measured.whole_dice)
        return [
            self._row(split, "cloud-only", as_it_is),
            *(self._row(split, "cloud-only", sent, True) for sent in self.measured.images),
        ]

    def cuts(self, split: SplitRecord) -> list[PlanRow]:
        """One row for each way in which this cut was sent, or one computed."""
        ways = self.measured.cuts.get(tuple(split.at))
        if not ways:
            computed = Sent(self._computed(split), None, self.deployment.bits)
            return [self._row(split, "cut", computed)]
        return [self._row(split, "cut", sent, True) for sent in ways]

    def _computed(self, split: SplitRecord) -> float:
        return sum(self.sizes[tensor.name] for tensor in split.tensors)

    def _row(
        self,
        split: SplitRecord,
        kind: Kind,
        sent: Sent,
        measured: bool = False,
    ) -> PlanRow:
        at, size = tuple(split.at), sent.payload_bytes
        transfer = self.deployment.transfer_ms(size)
        head, tail = (side * 1e3 for side in self.halves["latency"][at])
        edge, cloud = (side * 1e3 for side in self.halves["period"][at])
        encode, decode = sent.encode_ms or 0.0, sent.decode_ms or 0.0
        busy: dict[Side, float] = {"edge": edge + encode, "link": transfer, "cloud": cloud + decode}
        slowest = max(busy, key=lambda side: busy[side])
        waits = self.deployment.rtt_ms if size or kind != "edge-only" else 0.0
        row = PlanRow(
            point=split.point,
            at=split.at,
            kind=kind,
            named=len(split.at) == 1 and split.at[0] in self.named,
            bits=sent.bits,
            measured=measured,
            payload_bytes=size,
            dice=sent.dice,
            head_gflops=split.head_gflops,
            tail_gflops=split.tail_gflops,
            head_gflops_share=split.head_gflops / ((split.head_gflops + split.tail_gflops) or 1.0),
            head_weighted_layers=split.head_weighted_layers,
            head_ms=head,
            transfer_ms=transfer,
            tail_ms=tail,
            latency_ms=head + encode + transfer + waits + decode + tail,
            fps=1e3 / busy[slowest] if busy[slowest] else None,
            bottleneck=slowest if busy[slowest] else None,
            codec=sent.codec,
            quality=sent.quality,
            encode_ms=sent.encode_ms,
            decode_ms=sent.decode_ms,
            head_busy_ms=edge,
            tail_busy_ms=cloud,
        )
        row = self._with_energy(row, busy["edge"] / 1e3)
        return replace(row, excluded=excluded_by(row, self.limits))

    def _with_energy(self, row: PlanRow, busy_s: float) -> PlanRow:
        """The row with the device's energy, where that is known."""
        model = self.deployment.energy
        if model is None:
            return row
        joules, _ = self.halves["energy"][tuple(row.at)]
        coding_ms = row.encode_ms or 0.0
        computing = joules * 1e3 + (model.record.edge.watts or 0.0) * coding_ms
        rest_ms = row.latency_ms - row.head_ms - coding_ms
        spent = model.spent(computing, row.payload_bytes, rest_ms)
        return replace(
            row,
            computing_mj=spent.computing,
            radio_mj=spent.radio,
            waiting_mj=spent.waiting,
            energy_mj=spent.total,
            battery_hours=model.hours(spent, busy_s, self._rate(row)),
        )

    def _rate(self, row: PlanRow) -> float | None:
        """The frame rate that is wanted, or the row's own; None where it cannot keep up."""
        wanted = self.deployment.fps
        if wanted is None or row.fps is None:
            return wanted or row.fps
        return wanted if row.fps >= wanted else None
