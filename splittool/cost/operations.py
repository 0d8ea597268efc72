"""Operations by the published definitions of OpenVINO's Model Analyzer, and plain MACs.

`splittool.cost.rules` has the table.

A multiply-accumulate (MAC) is two floating-point operations (FLOP). Two of Model Analyzer's counts
are not copied, and `model_analyzer_excess` says what they come to: it counts a pooling again for
its index output, even if nobody reads it, and gives the 16-bit weights a second place in memory for
their conversion, which happens once, when the model is loaded.
"""

from dataclasses import dataclass

from splittool.cost.rules import FLOPS, FREE, FREE_ANALYZER, MACS, kernel
from splittool.graph.graph import Graph, Operation

WEIGHTED = frozenset(MACS)
_FREE = frozenset((*FREE, *FREE_ANALYZER))


@dataclass(frozen=True)
class OperationCost:
    """What one operation costs.

    Attributes:
        flops: Floating-point operations; None when its type is unknown here.
        macs: Multiply-accumulates of convolutions and matrix products.
        parameters: Weights that it is the first to use.
        weight_bytes: Their size as stored.
    """

    flops: int | None
    macs: int
    parameters: int
    weight_bytes: int


def operation_costs(graph: Graph) -> dict[int, OperationCost]:
    """Price every operation that data flows through, by its index."""
    claimed: set[int] = set()
    costs = {}
    for operation in graph.operations:
        if not operation.works:
            continue
        weights = [w for w in _weights(graph, operation) if w.index not in claimed]
        claimed |= {weight.index for weight in weights}
        costs[operation.index] = OperationCost(
            flops=flops(graph, operation),
            macs=macs(graph, operation),
            parameters=sum(weight.outputs[0].elements for weight in weights),
            weight_bytes=sum(weight.outputs[0].bytes for weight in weights),
        )
    return costs


def macs(graph: Graph, operation: Operation) -> int:
    """Multiply-accumulates; 0 for all but convolutions, matrix products and recurrent layers."""
    rule = MACS.get(operation.type)
    return (rule.count(graph, operation) or 0) if rule and _fixed(graph, operation) else 0


def flops(graph: Graph, operation: Operation) -> int | None:
    """Floating-point operations; None for a type without a rule, or an open size."""
    if operation.type in _FREE:
        return 0
    rule = MACS.get(operation.type) or FLOPS.get(operation.type)
    if rule is None or not _fixed(graph, operation):
        return None
    count = rule.count(graph, operation)
    if count is None:
        return None
    more = rule.more(graph, operation) if rule.more else 0
    return (2 if rule.macs else 1) * count + (more or 0)


@dataclass(frozen=True)
class Excess:
    """What Model Analyzer counts beyond what is computed.

    Attributes:
        flops: FLOPs of the index outputs of poolings.
        index_elements: Elements of the index outputs of poolings.
        convert_elements: Elements of 16-bit weights after their conversion.
    """

    flops: int
    index_elements: int
    convert_elements: int


def model_analyzer_excess(graph: Graph) -> Excess:
    """Why Model Analyzer's GFLOPs and MaxMem of the same graph are larger."""
    pools = [op for op in graph.operations if op.type == "MaxPool" and len(op.outputs) > 1]
    converts = [
        op
        for op in graph.operations
        if op.constant and op.type == "Convert" and graph.tensor(op.inputs[0]).type == "f16"
    ]
    return Excess(
        flops=sum(op.outputs[1].elements * kernel(op) for op in pools),
        index_elements=sum(op.outputs[1].elements for op in pools),
        convert_elements=sum(op.outputs[0].elements for op in converts),
    )


def _fixed(graph: Graph, operation: Operation) -> bool:
    """Whether all sizes are known before there is data."""
    tensors = [*operation.outputs, *(graph.tensor(source) for source in operation.inputs)]
    return all(tensor.shape is not None for tensor in tensors)


def _weights(graph: Graph, operation: Operation) -> list[Operation]:
    """The floating-point constants that an operation reads, directly or through conversions.

    One value that is spread over a tensor when the network is loaded counts as that tensor.
    """
    found = []
    waiting = [source for source, _ in operation.inputs if graph.operations[source].constant]
    while waiting:
        source = graph.operations[waiting.pop()]
        if source.outputs[0].type in _REAL and (
            source.type == "Constant" or _spreads(graph, source)
        ):
            found.append(source)
        else:
            waiting.extend(index for index, _ in source.inputs)
    return found


_REAL = ("f16", "f32", "bf16", "f64")


def _spreads(graph: Graph, operation: Operation) -> bool:
    return operation.type == "Broadcast" and graph.tensor(operation.inputs[0]).elements == 1
