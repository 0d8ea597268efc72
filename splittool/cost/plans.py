"""Latency, throughput and energy of every cut of a network, and the best within limits.

Latency of a frame = head + 8 x bytes / link + round trip + tail, one after the other. Frames per
second = 1 / max(edge, link, cloud): each works on another frame, and the round trip only adds
waiting, so it does not limit the throughput. An operation takes its FLOPs divided by the rate of
its side, or its share of a measured head's time. `splittool.cost.energy` defines the energies.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Literal

from splittool.cost.deployment import Amount, Deployment, answer_estimate, tensor_bytes
from splittool.cost.energy import EnergyModel, radio_record, read_edge_energy
from splittool.cost.fleet import fleet
from splittool.cost.limits import implied_limits, is_implied
from splittool.cost.measurements import Measured, read_measured
from splittool.cost.minimum_cut import CutCosts, best_cut
from splittool.cost.operations import OperationCost, operation_costs
from splittool.cost.plan_options import PlanOptions
from splittool.cost.rates import read_rate
from splittool.cost.rows import Halves, Pricing, cut_halves, split_point_halves
from splittool.cost.selection import shown_rows
from splittool.cost.splits import describe_split, describe_split_points
from splittool.errors import InputError
from splittool.graph.graph import Graph
from splittool.graph.split_points import Cut, find_cut, require_both_sides
from splittool.quantities import (
    parse_compute,
    parse_link,
    parse_milliseconds,
)
from splittool.quantities.energy import (
    parse_edge_energy,
    parse_radio,
    parse_watt_hours,
    parse_watts,
)
from splittool.reports import (
    EnergyRecord,
    FileRecord,
    LimitsRecord,
    PlanReport,
    PlanRow,
    SplitRecord,
)
from splittool.runtime.ir import ModelInfo
from splittool.vocabulary import Objective


@dataclass(frozen=True)
class Goal:
    """What the chosen row is best in, the limits that it must keep to, and which rows to show."""

    objective: Objective = "latency"
    limits: LimitsRecord = field(default_factory=LimitsRecord)
    top: int | None = None
    pareto: bool = False


def plan(source: FileRecord, graph: Graph, info: ModelInfo, options: PlanOptions) -> PlanReport:
    """Price every cut of a network for a device, a cloud and a link, and choose one.

    Args:
        source: The file of the network.
        graph: Its graph.
        info: What it says about itself: its named split points.
        options: Rates, limits and measurements.

    Raises:
        UsageError: An option is out of range or cannot be read.
        InputError: A report is damaged, of another kind or of another network, or the graph cannot
            be cut at all.
    """
    options.check()
    measured = read_measured(graph, [Path(path) for path in options.infer])
    size = measured.image_bytes if options.image_bytes is None else options.image_bytes
    answer, source_of_answer = _answer(graph, measured, options)
    deployment = Deployment(
        edge=read_rate(parse_compute(options.edge), source, graph, options.trust),
        cloud=read_rate(parse_compute(options.cloud), source, graph, options.trust),
        link=parse_link(options.link),
        rtt_ms=parse_milliseconds(options.rtt),
        bits=options.bits,
        image_bytes=size,
        answer_bytes=answer,
        energy=_energy(source, graph, options),
        fps=options.fps,
    )
    goal = Goal(options.best, options.limits, options.top, options.pareto)
    report = choose(source, graph, info.split_points, deployment, goal, measured)
    report.shapes, report.trust = list(options.shapes), options.trust
    report.answer = source_of_answer
    if options.devices is not None and options.fps is not None and report.best is not None:
        report.fleet = fleet(report.best, options.devices, options.fps)
    return report


def _energy(source: FileRecord, graph: Graph, options: PlanOptions) -> EnergyModel | None:
    """What a frame costs the device; None where that was not given."""
    if options.edge_energy is None or options.radio is None:
        return None
    edge, measured_idle = read_edge_energy(
        parse_edge_energy(options.edge_energy), source, graph, options.trust
    )
    given, battery = options.idle_power, options.battery
    record = EnergyRecord(
        edge,
        radio_record(parse_radio(options.radio)),
        measured_idle if given is None else parse_watts(given),
        None if battery is None else parse_watt_hours(battery),
    )
    return EnergyModel(record, parse_link(options.link).mbps)


def _answer(
    graph: Graph, measured: Measured, options: PlanOptions
) -> tuple[float, Literal["given", "measured", "estimated"]]:
    """Bytes of the answer, and how they are known."""
    if options.answer_bytes is not None:
        return options.answer_bytes, "given"
    if measured.answer is not None:
        return measured.answer.payload_bytes, "measured"
    return answer_estimate(graph, options.bits), "estimated"


def choose(
    source: FileRecord,
    graph: Graph,
    named: Iterable[str],
    deployment: Deployment,
    goal: Goal,
    measured: Measured | None = None,
) -> PlanReport:
    """Price every cut in topological order, the measured ones and the minimum cuts, and choose.

    The minimum cuts, of latency and of energy, are found with computed bytes. So the row of least
    latency is the optimum of all closed cuts, and likewise that of least energy, unless the minimum
    cut was itself measured to send more than computed: then another cut could lie between the two.
    The same holds for a network whose answer is given as larger than its raw outputs.

    Args:
        source: The file of the network.
        graph: Its graph.
        named: Its named split points.
        deployment: Rates of edge, cloud and link.
        goal: What the chosen row is best in, and its limits.
        measured: Reports of `infer` and `compare`.

    Raises:
        UsageError: A size is given for the one input of a network that has several.
        InputError: A state or a tensor of open size forbids even to send the input.
    """
    measured = measured or Measured()
    costs = operation_costs(graph)
    sizes = tensor_bytes(graph, deployment.bits, deployment.image_bytes)
    points = [name for name in named if name in graph.by_name]
    (whole, *in_order), refused = describe_split_points(graph)
    priced = _Priced(graph, costs, deployment.amounts(graph, costs, sizes))
    splits, halves = _with_further_cuts(priced, in_order, points, measured)
    by_name = {graph.tensor(source).name: size for source, size in sizes.items()}
    limits = implied_limits(goal.limits, measured.reference, deployment.fps)
    pricing = Pricing(deployment, by_name, limits, measured, frozenset(points), halves)
    rows = [pricing.edge_only(whole), *pricing.cloud_only(whole)]
    for split in splits:
        rows += pricing.cuts(split)
    allowed = _allowed(rows, range(len(rows)))
    return PlanReport(
        source=source,
        edge=deployment.edge,
        cloud=deployment.cloud,
        link=deployment.link.name,
        link_mbps=deployment.link.mbps,
        rtt_ms=deployment.rtt_ms,
        bits=deployment.bits,
        image_bytes=deployment.image_bytes,
        answer_bytes=deployment.answer_bytes,
        objective=goal.objective,
        limits=limits,
        implied=[name for name in ("min_dice", "min_fps") if is_implied(name, limits, goal.limits)],
        inferred=list(measured.files),
        rows=rows,
        chosen=_best(rows, allowed, goal.objective) if allowed else None,
        best_cut=_best_cut(rows, goal.objective),
        optimum=_best(rows, range(len(rows)), "latency"),
        not_counted=dict(
            Counter(graph.operations[i].type for i, cost in costs.items() if cost.flops is None)
        ),
        refused=refused,
        energy=deployment.energy.record if deployment.energy else None,
        energy_optimum=_best(rows, range(len(rows)), "energy") if deployment.energy else None,
        fps=deployment.fps,
        shown=shown_rows(rows, goal.objective, goal.top, goal.pareto),
    )


@dataclass(frozen=True)
class _Priced:
    """A graph with what its operations cost and take."""

    graph: Graph
    costs: dict[int, OperationCost]
    amounts: dict[Amount, CutCosts]

    def optima(self) -> list[tuple[str, ...]]:
        """The ends of the cuts of least latency and of least energy."""
        wanted = [self.amounts[name] for name in ("latency", "energy") if name in self.amounts]
        cuts = [best_cut(self.graph, amount) for amount in wanted]
        return [cut.at for cut in cuts if cut is not None]


def _with_further_cuts(
    priced: _Priced, in_order: Sequence[SplitRecord], points: Sequence[str], measured: Measured
) -> tuple[list[SplitRecord], dict[Amount, Halves]]:
    """The cuts in topological order, and the named, the measured and the minimum cuts beside them.

    Returns:
        The cuts, and what their halves take.
    """
    splits = {tuple(split.at): split for split in in_order}
    halves = {
        name: split_point_halves(priced.graph, amount) for name, amount in priced.amounts.items()
    }
    for at in [*([name] for name in points), *measured.cuts, *priced.optima()]:
        further = None if tuple(at) in splits else _further_cut(priced.graph, at)
        if further:
            splits[tuple(at)] = describe_split(priced.graph, further, priced.costs)
            for name, amount in priced.amounts.items():
                halves[name][tuple(at)] = cut_halves(further, amount)
    return list(splits.values()), halves


def _further_cut(graph: Graph, at: Iterable[str]) -> Cut | None:
    """A cut beside those in topological order; None where it is illegal or has an empty tail."""
    try:
        cut = find_cut(graph, *at)
        require_both_sides(cut)  # with an empty tail, edge-only does the same for less
    except InputError:  # a named point where a state forbids to cut
        return None
    return cut


def _allowed(rows: Sequence[PlanRow], numbers: Iterable[int]) -> list[int]:
    return [number for number in numbers if not rows[number].excluded]


def _best_cut(rows: Sequence[PlanRow], objective: Objective) -> int | None:
    """The best cut that leaves the device some work, within the limits where any is."""
    cuts = [n for n, row in enumerate(rows) if row.kind == "cut" and row.head_weighted_layers]
    return _best(rows, _allowed(rows, cuts) or cuts, objective) if cuts else None


def _best(rows: Sequence[PlanRow], numbers: Sequence[int], objective: Objective) -> int:
    """The best of at least one row; of equal ones that of the other objectives, then by GFLOPs.

    Where a named split point is as good as an operation beside it, it is the named one.
    """

    def key(number: int) -> tuple[float, ...]:
        return (*rows[number].merits(objective), rows[number].head_gflops)

    def anonymous(number: int) -> bool:
        return rows[number].kind == "cut" and not rows[number].named

    first = rows[min(numbers, key=key)].merits(objective)
    equal = [n for n in numbers if all(map(_look_alike, rows[n].merits(objective), first))]
    return min(equal, key=lambda number: (anonymous(number), *key(number)))


def _look_alike(one: float, other: float) -> bool:
    """Whether two values differ by less than the four digits show in which they are told."""
    return isclose(one, other, rel_tol=1e-4)
