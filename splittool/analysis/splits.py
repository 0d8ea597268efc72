"""What each side of a cut has to do."""

from collections.abc import Iterable

from splittool.analysis.memory import activation_memory
from splittool.analysis.operations import WEIGHTED, OperationCost, operation_costs
from splittool.ir.graph import Graph, TensorInfo
from splittool.ir.splits import INPUT, Cut, find_cut
from splittool.reports import CutReport, LayerRecord, SplitRecord, TensorRecord


def tensor_record(tensor: TensorInfo) -> TensorRecord:
    """A tensor as reports show it."""
    return TensorRecord(tensor.name, list(tensor.shape), tensor.type, tensor.bits, tensor.elements)


def describe_splits(graph: Graph, names: Iterable[str]) -> list[SplitRecord]:
    """Price the cuts at some split points.

    Raises:
        InputError: A name is unknown.
    """
    costs = operation_costs(graph)
    return [describe_split(graph, find_cut(graph, name), costs) for name in names]


def describe_split(graph: Graph, cut: Cut, costs: dict[int, OperationCost]) -> SplitRecord:
    """Price one cut; `costs` is `operation_costs(graph)`."""
    head = [costs[index] for index in cut.head]
    tail = [costs[index] for index in cut.tail]
    head_flops, tail_flops = (sum(cost.flops or 0 for cost in side) for side in (head, tail))
    memory = activation_memory(graph, cut.head)
    return SplitRecord(
        point=cut.name,
        elements=cut.elements,
        tensors=[tensor_record(tensor) for tensor in cut.tensors],
        head_operations=len(head),
        tail_operations=len(tail),
        head_weighted_layers=sum(graph.operations[i].type in WEIGHTED for i in cut.head),
        head_gflops=head_flops / 1e9,
        tail_gflops=tail_flops / 1e9,
        head_gmacs=sum(cost.macs for cost in head) / 1e9,
        tail_gmacs=sum(cost.macs for cost in tail) / 1e9,
        head_gflops_share=head_flops / max(head_flops + tail_flops, 1),
        head_parameters=sum(cost.parameters for cost in head),
        head_weight_bytes=sum(cost.weight_bytes for cost in head),
        head_live_elements=memory.live_elements,
        head_live_bytes=memory.live_bytes,
        head_sum_elements=memory.sum_elements,
    )


def input_split(cut: CutReport) -> SplitRecord:
    """The split point "input" of the network a cut was made from: nothing on the device."""
    split = cut.split
    return SplitRecord(
        point=INPUT,
        elements=cut.input.elements,
        tensors=[cut.input],
        head_operations=0,
        tail_operations=split.head_operations + split.tail_operations,
        head_weighted_layers=0,
        head_gflops=0.0,
        tail_gflops=split.head_gflops + split.tail_gflops,
        head_gmacs=0.0,
        tail_gmacs=split.head_gmacs + split.tail_gmacs,
        head_gflops_share=0.0,
        head_parameters=0,
        head_weight_bytes=0,
        head_live_elements=0,
        head_live_bytes=0,
        head_sum_elements=0,
    )


def describe_layers(graph: Graph) -> list[LayerRecord]:
    """Every operation in order, with running totals."""
    layers: list[LayerRecord] = []
    flops = macs = parameters = elements = 0
    for index, cost in operation_costs(graph).items():
        operation = graph.operations[index]
        output = operation.outputs[0]
        flops += cost.flops or 0
        macs += cost.macs
        parameters += cost.parameters
        elements += output.elements
        layers.append(
            LayerRecord(
                name=operation.name,
                type=operation.type,
                shape=list(output.shape),
                gflops=None if cost.flops is None else cost.flops / 1e9,
                gmacs=cost.macs / 1e9,
                parameters=cost.parameters,
                weight_bytes=cost.weight_bytes,
                elements=output.elements,
                bytes=output.bytes,
                cumulative_gflops=flops / 1e9,
                cumulative_gmacs=macs / 1e9,
                cumulative_parameters=parameters,
                cumulative_elements=elements,
            )
        )
    return layers
