"""Rows of a plan: a way to divide a network between edge and cloud, with its times."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from splittool.cost.deployment import Deployment
from splittool.cost.limits import excluded_by
from splittool.cost.measurements import Measured, Sent
from splittool.cost.minimum_cut import Times
from splittool.graph.graph import Graph
from splittool.graph.split_points import INPUT, Cut, split_points
from splittool.reports import LimitsRecord, PlanRow, SplitRecord

Kind = Literal["edge-only", "cloud-only", "cut"]
Side = Literal["edge", "link", "cloud"]

# Seconds of the head on the edge and of the tail in the cloud, by the ends of a cut.
Halves = dict[tuple[str, ...], tuple[float, float]]

_EVERYTHING = ()  # the ends of a head that has no tail


def split_point_halves(graph: Graph, times: Times) -> Halves:
    """For every split point in topological order, for the input, and for the whole network."""
    edge, cloud = 0.0, sum(times.cloud.values())
    found: Halves = {_EVERYTHING: (sum(times.edge.values()), 0.0), (INPUT,): (edge, cloud)}
    for place in split_points(graph):
        edge += times.edge[place.operation]
        cloud = max(cloud - times.cloud[place.operation], 0.0)  # rounding may go below
        at = tuple(graph.operations[index].name for index in sorted(place.ends))
        found[at] = (edge, cloud)
    return found


def cut_halves(cut: Cut, times: Times) -> tuple[float, float]:
    """For one cut."""
    return (
        sum(times.edge[index] for index in cut.head),
        sum(seconds for index, seconds in times.cloud.items() if index not in cut.head),
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
        halves: Seconds on edge and cloud, by the ends of a cut.
    """

    deployment: Deployment
    sizes: Mapping[str, float]
    limits: LimitsRecord
    measured: Measured
    named: frozenset[str]
    halves: Halves

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
        edge, cloud = self.halves[tuple(split.at)]
        sides: dict[Side, float] = {
            "edge": edge * 1e3,
            "link": self.deployment.transfer_ms(sent.payload_bytes),
            "cloud": cloud * 1e3,
        }
        slowest = max(sides, key=lambda side: sides[side])
        row = PlanRow(
            point=split.point,
            at=split.at,
            kind=kind,
            named=len(split.at) == 1 and split.at[0] in self.named,
            bits=sent.bits,
            measured=measured,
            payload_bytes=sent.payload_bytes,
            dice=sent.dice,
            head_gflops=split.head_gflops,
            tail_gflops=split.tail_gflops,
            head_gflops_share=split.head_gflops / ((split.head_gflops + split.tail_gflops) or 1.0),
            head_weighted_layers=split.head_weighted_layers,
            head_ms=sides["edge"],
            transfer_ms=sides["link"],
            tail_ms=sides["cloud"],
            latency_ms=sum(sides.values())
            + (self.deployment.rtt_ms if sent.payload_bytes or kind != "edge-only" else 0.0),
            fps=1e3 / sides[slowest] if sides[slowest] else None,
            bottleneck=slowest if sides[slowest] else None,
            codec=sent.codec,
            quality=sent.quality,
        )
        return replace(row, excluded=excluded_by(row, self.limits))
