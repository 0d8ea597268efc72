"""The profile of a whole model: layers, totals, split points."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from splittool.analysis.memory import activation_memory
from splittool.analysis.operations import operation_costs
from splittool.analysis.splits import describe_layers, describe_splits
from splittool.ir.graph import Graph
from splittool.reports import ProfileReport, file_record


def profile(source: Path, graph: Graph, points: Sequence[str]) -> ProfileReport:
    """Price a model.

    Args:
        source: The file it was read from.
        graph: Its graph.
        points: Split points to show the head's share for.
    """
    costs = operation_costs(graph)
    memory = activation_memory(graph, costs)
    unknown = Counter(graph.operations[i].type for i, cost in costs.items() if cost.flops is None)
    return ProfileReport(
        source=file_record(source),
        gflops=sum(cost.flops or 0 for cost in costs.values()) / 1e9,
        gmacs=sum(cost.macs for cost in costs.values()) / 1e9,
        parameters=sum(cost.parameters for cost in costs.values()),
        weight_bytes=sum(cost.weight_bytes for cost in costs.values()),
        min_memory_elements=memory.live_elements,
        min_memory_bytes=memory.live_bytes,
        max_memory_elements=memory.sum_elements,
        max_memory_bytes=memory.sum_bytes,
        not_counted=dict(unknown),
        layers=describe_layers(graph),
        splits=describe_splits(graph, points),
    )
