"""Latency and throughput of every place to cut, and the best within limits.

Latency of a frame = head + 8 x bytes / link + round trip + tail, one after the other. Frames per
second = 1 / max(edge, link, cloud): each works on another frame, and a round trip is only waited
for, so it limits no throughput. An operation takes its FLOPs over the rate of its side.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from splittool.analysis.bitrate import sent_bits
from splittool.analysis.operations import WEIGHTED, OperationCost, operation_costs
from splittool.analysis.optimum import Times, best_cut
from splittool.analysis.splits import describe_places, describe_split
from splittool.errors import InputError, UsageError
from splittool.ir.graph import Graph
from splittool.ir.splits import Cut, Source, ends, find_cut, require_both_sides
from splittool.reports import (
    FileRecord,
    InferReport,
    LimitsRecord,
    PlanReport,
    PlanRow,
    RateRecord,
    SplitRecord,
    file_record,
    read_report,
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

    def times(self, costs: Mapping[int, OperationCost], sizes: Mapping[Source, float]) -> Times:
        """What every operation and tensor takes."""
        edge, cloud = (
            {i: (cost.flops or 0) / 1e9 / rate.gflops_per_second for i, cost in costs.items()}
            for rate in (self.edge, self.cloud)
        )
        return Times(edge, cloud, {s: self.transfer_ms(size) / 1e3 for s, size in sizes.items()})


@dataclass(frozen=True)
class Measured:
    """What `infer` found: bytes per frame and Dice of some cuts and of the whole network.

    Attributes:
        files: The reports.
        cuts: By the ends of a cut: its reports, one for each number of bits.
        whole: The report of the network in one piece.
    """

    files: tuple[FileRecord, ...] = ()
    cuts: Mapping[tuple[str, ...], Sequence[InferReport]] = field(default_factory=dict)
    whole: InferReport | None = None


def read_measured(graph: Graph, paths: Sequence[Path]) -> Measured:
    """Read reports of `infer`, and find the cuts that they are about.

    Raises:
        InputError: A report is of another kind, or of a cut that this graph has not.
        UsageError: Two are of the whole network.
    """
    cuts: dict[tuple[str, ...], list[InferReport]] = {}
    whole: InferReport | None = None
    for path in paths:
        report = read_report(path, InferReport)
        if report.cut is not None:
            if not report.payload_bytes_per_frame:
                raise InputError(f"{path} says nothing of what was sent; run infer again")
            cuts.setdefault(_ends_of(graph, path, report.cut), []).append(report)
        elif whole is not None:
            raise UsageError(f"--infer {path} is a second report of the whole network; give one")
        else:
            whole = report
    return Measured(tuple(file_record(path) for path in paths), cuts, whole)


def _ends_of(graph: Graph, path: Path, point: str) -> tuple[str, ...]:
    names = [point] if point in graph.by_name else point.split(" + ")
    try:
        cut = find_cut(graph, *names)
        require_both_sides(cut)
    except InputError as error:
        raise InputError(f"{path} is of another network: {error}") from None
    return tuple(ends(graph, cut.head))


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
        measured: Reports of `infer`.

    Raises:
        UsageError: A size is given for the one input of a network that has several.
        InputError: A state or a tensor of open size forbids even to send the input.
    """
    measured = measured or Measured()
    costs = operation_costs(graph)
    sizes = tensor_bytes(graph, terms.bits, terms.image_bytes)
    places, refused = describe_places(graph)
    splits = {tuple(place.at): place for place in places[1:]}
    points = [name for name in named if name in graph.by_name]
    optimum = best_cut(graph, terms.times(costs, sizes))
    for at in [*([name] for name in points), *measured.cuts, optimum.at if optimum else ()]:
        further = None if tuple(at) in splits else _further_cut(graph, at)
        if further:
            splits[tuple(at)] = describe_split(graph, further, costs)
    by_name = {graph.tensor(source).name: size for source, size in sizes.items()}
    pricing = _Pricing(terms, by_name, limits, measured, frozenset(points))
    rows = [pricing.edge_only(places[0]), pricing.cloud_only(places[0])]
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

    def edge_only(self, whole: SplitRecord) -> PlanRow:
        """Nothing is sent, and the outputs stay on the device."""
        work = {"head_gflops": whole.tail_gflops, "tail_gflops": 0.0}
        split = replace(whole, point="edge only", at=[], tensors=[], **work)
        return self._row(split, "edge-only", 0.0, _dice(self.measured.whole))

    def cloud_only(self, whole: SplitRecord) -> PlanRow:
        """The input is sent."""
        split = replace(whole, point="cloud only")
        return self._row(split, "cloud-only", self._computed(split), _dice(self.measured.whole))

    def cuts(self, split: SplitRecord) -> list[PlanRow]:
        """One row for each report of this cut, or one computed."""
        reports = self.measured.cuts.get(tuple(split.at))
        if not reports:
            return [self._row(split, "cut", self._computed(split), None, self.terms.bits)]
        return [
            self._row(
                split,
                "cut",
                report.payload_bytes_per_frame or 0.0,  # `read_measured` saw to it
                _dice(report),
                report.bits,
                True,
            )
            for report in reports
        ]

    def _computed(self, split: SplitRecord) -> float:
        return sum(self.sizes[tensor.name] for tensor in split.tensors)

    def _row(
        self,
        split: SplitRecord,
        kind: Literal["edge-only", "cloud-only", "cut"],
        size: float,
        dice: float | None,
        bits: int | None = None,
        measured: bool = False,
    ) -> PlanRow:
        sides: dict[Side, float] = {
            "edge": split.head_gflops / self.terms.edge.gflops_per_second * 1e3,
            "link": self.terms.transfer_ms(size),
            "cloud": split.tail_gflops / self.terms.cloud.gflops_per_second * 1e3,
        }
        slowest = max(sides, key=lambda side: sides[side])
        row = PlanRow(
            point=split.point,
            at=split.at,
            kind=kind,
            named=len(split.at) == 1 and split.at[0] in self.named,
            bits=bits,
            measured=measured,
            payload_bytes=size,
            dice=dice,
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
        )
        return replace(row, excluded=excluded_by(row, self.limits))


def _dice(report: InferReport | None) -> float | None:
    return report.scores.dice if report and report.scores else None


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
