"""Latency and throughput of every place to cut, and the best within limits.

Latency of a frame = head + 8 x bytes / link + round trip + tail, one after the other. Frames per
second = 1 / max(edge, link, cloud): each works on another frame, and a round trip is only waited
for, so it limits no throughput. An operation takes its FLOPs over the rate of its side, or its
share of a measured head's time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from splittool.cost.bitrate import sent_bits
from splittool.cost.measurements import Measured, Sent
from splittool.cost.minimum_cut import Times, best_cut
from splittool.cost.operations import WEIGHTED, OperationCost, operation_costs
from splittool.cost.rates import operation_seconds
from splittool.cost.splits import describe_places, describe_split
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph
from splittool.graph.split_points import INPUT, Cut, Source, find_cut, places, require_both_sides
from splittool.reports import (
    FileRecord,
    LimitsRecord,
    PlanReport,
    PlanRow,
    RateRecord,
    SplitRecord,
)

Objective = Literal["latency", "fps"]
Side = Literal["edge", "link", "cloud"]


@dataclass(frozen=True)
class Terms:
    """What everything costs.

    Attributes:
        edge: How quick the device is.
        cloud: How quick the cloud is.
        link: What to call the link.
        link_mbps: Its Mbit/s.
        rtt_ms: Milliseconds of a round trip, for whatever sends something.
        bits: Bits per element of features that were not measured.
        image_bytes: Size of the input as it is sent; None for raw values of its own type.
    """

    edge: RateRecord
    cloud: RateRecord
    link: str
    link_mbps: float
    rtt_ms: float = 0.0
    bits: int = 8
    image_bytes: float | None = None

    def transfer_ms(self, size: float) -> float:
        """Milliseconds that some bytes take on the link."""
        return size * 8 / (self.link_mbps * 1e3)

    def times(
        self, graph: Graph, costs: Mapping[int, OperationCost], sizes: Mapping[Source, float]
    ) -> Times:
        """What every operation and tensor takes."""
        edge, cloud = (operation_seconds(rate, graph, costs) for rate in (self.edge, self.cloud))
        return Times(edge, cloud, {s: self.transfer_ms(size) / 1e3 for s, size in sizes.items()})


def plan(
    source: FileRecord,
    graph: Graph,
    named: Iterable[str],
    terms: Terms,
    limits: LimitsRecord,
    objective: Objective = "latency",
    measured: Measured | None = None,
) -> PlanReport:
    """Price every place to cut, and choose.

    The minimum cut goes by computed bytes; it and the cuts that were measured are rows beside all
    places. So the row of least latency is the optimum of all closed cuts, but where the minimum cut
    is itself a measured one that sends more than computed: another cut could lie between the two.

    Args:
        source: The file of the model.
        graph: Its graph.
        named: Its named split points.
        terms: Rates of edge, cloud and link.
        limits: What the chosen row must keep to.
        objective: What the chosen row is best in.
        measured: Reports of `infer` and `compare`.

    Raises:
        UsageError: A size is given for the one input of a network that has several.
        InputError: A state or a tensor of open size forbids even to send the input.
    """
    measured = measured or Measured()
    costs = operation_costs(graph)
    sizes = tensor_bytes(graph, terms.bits, terms.image_bytes)
    described, refused = describe_places(graph)
    splits = {tuple(place.at): place for place in described[1:]}
    points = [name for name in named if name in graph.by_name]
    times = terms.times(graph, costs, sizes)
    halves = _place_halves(graph, times)
    optimum = best_cut(graph, times)
    for at in [*([name] for name in points), *measured.cuts, optimum.at if optimum else ()]:
        further = None if tuple(at) in splits else _further_cut(graph, at)
        if further:
            splits[tuple(at)] = describe_split(graph, further, costs)
            halves[tuple(at)] = _cut_halves(further, times)
    by_name = {graph.tensor(source).name: size for source, size in sizes.items()}
    pricing = _Pricing(terms, by_name, limits, measured, frozenset(points), halves)
    rows = [pricing.edge_only(described[0]), *pricing.cloud_only(described[0])]
    for split in splits.values():
        rows += pricing.cuts(split)
    cuts = [n for n, row in enumerate(rows) if row.kind == "cut" and row.head_weighted_layers]
    allowed = [n for n, row in enumerate(rows) if not row.excluded]
    return PlanReport(
        source=source,
        edge=terms.edge,
        cloud=terms.cloud,
        link=terms.link,
        link_mbps=terms.link_mbps,
        rtt_ms=terms.rtt_ms,
        bits=terms.bits,
        image_bytes=terms.image_bytes,
        objective=objective,
        limits=limits,
        inferred=list(measured.files),
        rows=rows,
        chosen=_best(rows, allowed, objective),
        best_cut=_best(rows, [n for n in cuts if not rows[n].excluded] or cuts, objective),
        optimum=min(range(len(rows)), key=lambda number: rows[number].latency_ms),
        not_counted=dict(
            Counter(graph.operations[i].type for i, cost in costs.items() if cost.flops is None)
        ),
        refused=refused,
    )


def tensor_bytes(graph: Graph, bits: int, image_bytes: float | None = None) -> dict[Source, float]:
    """What each tensor takes on the link, by (operation, port); none for tensors of open size.

    Floats take `bits` an element, whole numbers what their type has. What was computed from an
    image of bytes before the first convolution or matrix product is the image still, only scaled
    or shifted: it takes no fewer bits than the pixels. Otherwise every plan with few bits would
    end in "send the image, coarser", which is no cut of the network, and no accuracy known.

    Args:
        graph: The graph.
        bits: Bits per element.
        image_bytes: Size of the one input as it is sent, if it is compressed.

    Raises:
        UsageError: There is such a size, and several inputs.
    """
    if image_bytes is not None and len(graph.parameters) > 1:
        raise UsageError(
            f"the size of a compressed image is for one input; the network has"
            f" {len(graph.parameters)}: leave out --image-bytes and reports of the whole network"
        )
    pixels = _pixels(graph)
    sizes = {}
    for source in graph.consumers:
        operation, tensor = graph.operations[source[0]], graph.tensor(source)
        if operation.constant or tensor.shape is None:
            continue
        each = sent_bits(tensor, bits)
        sizes[source] = tensor.elements * (max(each, 8) if source[0] in pixels else each) / 8
        if operation.type == "Parameter" and image_bytes is not None:
            sizes[source] = image_bytes
    return sizes


def _pixels(graph: Graph) -> set[int]:
    """Operations whose output is an image of bytes, or comes from one without a weighted layer."""
    found: set[int] = set()
    for op in graph.operations:
        sources = [u for u, _ in op.inputs if not graph.operations[u].constant]
        if op.type == "Parameter":
            holds = op.outputs[0].type == "u8"
        else:
            holds = bool(sources) and found.issuperset(sources) and op.type not in WEIGHTED
        if holds:
            found.add(op.index)
    return found


# Seconds of the head on the edge and of the tail in the cloud, by the ends of a cut.
_Halves = dict[tuple[str, ...], tuple[float, float]]

_EVERYTHING = ()  # the ends of a head that has no tail


def _place_halves(graph: Graph, times: Times) -> _Halves:
    """Of every place in topological order, of sending the input, and of sending nothing."""
    edge, cloud = 0.0, sum(times.cloud.values())
    found: _Halves = {_EVERYTHING: (sum(times.edge.values()), 0.0), (INPUT,): (edge, cloud)}
    for place in places(graph):
        edge += times.edge[place.operation]
        cloud = max(cloud - times.cloud[place.operation], 0.0)  # rounding may go below
        at = tuple(graph.operations[index].name for index in sorted(place.ends))
        found[at] = (edge, cloud)
    return found


def _cut_halves(cut: Cut, times: Times) -> tuple[float, float]:
    return (
        sum(times.edge[index] for index in cut.head),
        sum(seconds for index, seconds in times.cloud.items() if index not in cut.head),
    )


def _further_cut(graph: Graph, at: Iterable[str]) -> Cut | None:
    """A cut that is no place in topological order; None if it is none, or is another row."""
    try:
        cut = find_cut(graph, *at)
        require_both_sides(cut)  # with an empty tail, edge-only does the same for less
    except InputError:  # a named point where a state forbids to cut
        return None
    return cut


@dataclass(frozen=True)
class _Pricing:
    """Turns cuts into rows."""

    terms: Terms
    sizes: Mapping[str, float]
    limits: LimitsRecord
    measured: Measured
    named: frozenset[str]
    halves: _Halves

    def edge_only(self, whole: SplitRecord) -> PlanRow:
        """Nothing is sent, and the outputs stay on the device."""
        work = {"head_gflops": whole.tail_gflops, "tail_gflops": 0.0}
        split = replace(whole, point="edge only", at=list(_EVERYTHING), tensors=[], **work)
        return self._row(split, "edge-only", Sent(0.0, self.measured.whole_dice))

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
            computed = Sent(self._computed(split), None, self.terms.bits)
            return [self._row(split, "cut", computed)]
        return [self._row(split, "cut", sent, True) for sent in ways]

    def _computed(self, split: SplitRecord) -> float:
        return sum(self.sizes[tensor.name] for tensor in split.tensors)

    def _row(
        self,
        split: SplitRecord,
        kind: Literal["edge-only", "cloud-only", "cut"],
        sent: Sent,
        measured: bool = False,
    ) -> PlanRow:
        edge, cloud = self.halves[tuple(split.at)]
        sides: dict[Side, float] = {
            "edge": edge * 1e3,
            "link": self.terms.transfer_ms(sent.payload_bytes),
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
            latency_ms=sum(sides.values()) + (self.terms.rtt_ms if kind != "edge-only" else 0.0),
            fps=1e3 / sides[slowest] if sides[slowest] else None,
            bottleneck=slowest if sides[slowest] else None,
            codec=sent.codec,
            quality=sent.quality,
        )
        return replace(row, excluded=excluded_by(row, self.limits))


def excluded_by(row: PlanRow, limits: LimitsRecord) -> list[str]:
    """The limits that a row does not keep to; without a measured Dice, none is enough."""
    return [
        name
        for name, (value, highest) in _values(row).items()
        if (limit := getattr(limits, name)) is not None
        and (value is None or (value > limit if highest else value < limit))
    ]


def _values(row: PlanRow) -> dict[str, tuple[float | None, bool]]:
    """What each limit is held against, and whether it is the highest allowed or the lowest."""
    return {
        "min_dice": (row.dice, False),
        "max_edge_gflops": (row.head_gflops, True),
        "min_fps": (float("inf") if row.fps is None else row.fps, False),
        "max_latency_ms": (row.latency_ms, True),
    }


def nothing_fits(report: PlanReport) -> str:
    """Why no row was chosen, in one line: the limit that excludes most, and what would fit it."""
    counts = Counter(name for row in report.rows for name in row.excluded)
    name, count = counts.most_common(1)[0]
    found = [_values(row)[name] for row in report.rows]
    values = [value for value, _ in found if value is not None]
    flag = "--" + name.removesuffix("_ms").replace("_", "-")
    if not values:
        return (
            f"{flag} {getattr(report.limits, name):g} excludes every place: none has a measured"
            " Dice; give reports with --infer"
        )
    best = min(values) if found[0][1] else max(values)
    return (
        f"nothing fits all limits; {flag} {getattr(report.limits, name):g} excludes most,"
        f" {count} of {len(report.rows)} places (the best has {best:.4g}); relax it"
    )


def _best(rows: Sequence[PlanRow], numbers: Sequence[int], objective: Objective) -> int | None:
    """The best of some rows; of equal ones, the better in the other way, then less on the edge."""

    def key(number: int) -> tuple[float, float, float]:
        row = rows[number]
        time = 0.0 if row.fps is None else 1 / row.fps
        pair = (row.latency_ms, time) if objective == "latency" else (time, row.latency_ms)
        return (*pair, row.head_gflops)

    return min(numbers, key=key, default=None)
