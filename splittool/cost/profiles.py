"""The profile of a whole model: layers, totals, split points."""

from collections import Counter

from splittool.cost.operations import model_analyzer_excess, operation_costs
from splittool.cost.splits import activation_memory, describe_layers, list_splits
from splittool.graph.graph import Graph
from splittool.reports import FileRecord, ModelAnalyzerRecord, ProfileReport
from splittool.runtime.ir import ModelInfo


def profile(source: FileRecord, graph: Graph, info: ModelInfo) -> ProfileReport:
    """Price a model.

    Args:
        source: The file of the model.
        graph: Its graph.
        info: What it says about itself: the split points to show, if it names any.
    """
    costs = operation_costs(graph)
    flops = sum(cost.flops or 0 for cost in costs.values())
    memory = activation_memory(graph, costs)
    excess = model_analyzer_excess(graph)
    unknown = Counter(graph.operations[i].type for i, cost in costs.items() if cost.flops is None)
    splits, refused = list_splits(graph, info)
    return ProfileReport(
        source=source,
        gflops=flops / 1e9,
        gmacs=sum(cost.macs for cost in costs.values()) / 1e9,
        parameters=sum(cost.parameters for cost in costs.values()),
        weight_bytes=sum(cost.weight_bytes for cost in costs.values()),
        min_memory_elements=memory.live_elements,
        min_memory_bytes=memory.live_bytes,
        max_memory_elements=memory.sum_elements,
        max_memory_bytes=memory.sum_bytes,
        model_analyzer=ModelAnalyzerRecord(
            gflops=(flops + excess.flops) / 1e9,
            max_memory_elements=(
                memory.sum_elements + excess.index_elements + excess.convert_elements
            ),
            index_output_gflops=excess.flops / 1e9,
            index_output_elements=excess.index_elements,
            weight_conversion_elements=excess.convert_elements,
        ),
        not_counted=dict(unknown),
        layers=describe_layers(graph),
        splits=splits,
        refused=refused,
        renamed=graph.renamed,
    )
