"""Operations by the published definitions of OpenVINO's Model Analyzer, and plain MACs.

A multiply-accumulate (MAC) is two floating-point operations (FLOP). Two of Model Analyzer's counts
are not copied, and `model_analyzer_excess` says what they come to: it counts a pooling again for
its index output, even if nobody reads it, and gives the 16-bit weights a second place in memory for
their conversion, which happens once, when the model is loaded.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from splittool.graph.graph import Graph, Operation

# FLOP for each output element.
_PER_ELEMENT = {
    "Relu": 2,
    "PRelu": 2,
    "Elu": 3,
    "Sigmoid": 3,
    "Tanh": 6,
    "Clamp": 2,
    "SoftMax": 5,
    "Softmax": 5,
    "Swish": 5,
    "HSwish": 4,
    "Add": 1,
    "Subtract": 1,
    "Multiply": 1,
    "Divide": 1,
}

# Moving data is not computing; Model Analyzer does not count the last three either.
_FREE = {
    "Parameter",
    "Result",
    "Constant",
    "Concat",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Gather",
    "Split",
    "VariadicSplit",
    "StridedSlice",
    "Slice",
    "Pad",
    "ShapeOf",
    "Convert",
    "Transpose",
    "Interpolate",
    "ReadValue",
}


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
    """Multiply-accumulates; 0 for all but convolutions and matrix products."""
    count = _MACS.get(operation.type)
    return count(graph, operation) if count and _fixed(graph, operation) else 0


def flops(graph: Graph, operation: Operation) -> int | None:
    """Floating-point operations; None for a type without a definition, or an open size."""
    if operation.type in _FREE:
        return 0
    if not _fixed(graph, operation):
        return None
    output = operation.outputs[0].elements
    if operation.type in _MACS:
        return 2 * macs(graph, operation)
    if operation.type in ("MaxPool", "AvgPool"):
        return output * _kernel(operation)
    if operation.type == "AdaptiveAvgPool":
        return _adaptive_pooling(graph, operation)
    if operation.type in _PER_ELEMENT:
        return output * _PER_ELEMENT[operation.type]
    return None


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
        flops=sum(op.outputs[1].elements * _kernel(op) for op in pools),
        index_elements=sum(op.outputs[1].elements for op in pools),
        convert_elements=sum(op.outputs[0].elements for op in converts),
    )


def _kernel(pooling: Operation) -> int:
    return math.prod(map(int, pooling.attributes["kernel"]))


def _adaptive_pooling(graph: Graph, operation: Operation) -> int:
    """The elements of all windows: what a pooling's outputs times its kernel are."""
    before = _shape(graph, operation, 0)[2:]
    after = operation.outputs[0].shape
    assert after is not None
    work = math.prod(after[:2])
    for size, parts in zip(before, after[2:], strict=True):
        work *= sum(-(-(i + 1) * size // parts) - i * size // parts for i in range(parts))
    return work


def _fixed(graph: Graph, operation: Operation) -> bool:
    """Whether all sizes are known before there is data."""
    tensors = [*operation.outputs, *(graph.tensor(source) for source in operation.inputs)]
    return all(tensor.shape is not None for tensor in tensors)


def _shape(graph: Graph, operation: Operation, place: int) -> tuple[int, ...]:
    shape = graph.tensor(operation.inputs[place]).shape
    assert shape is not None
    return shape


def _convolution(graph: Graph, operation: Operation) -> int:
    weights = _shape(graph, operation, 1)  # (Cout, Cin, *kernel)
    return operation.outputs[0].elements * math.prod(weights[1:])


def _group_convolution(graph: Graph, operation: Operation) -> int:
    weights = _shape(graph, operation, 1)  # (groups, Cout/groups, Cin/groups, *kernel)
    return operation.outputs[0].elements * math.prod(weights[2:])


def _transposed_convolution(graph: Graph, operation: Operation) -> int:
    weights = _shape(graph, operation, 1)  # (Cin, Cout, *kernel)
    work = operation.outputs[0].elements * weights[0] * math.prod(weights[2:])
    return work // math.prod(map(int, operation.attributes["strides"]))


def _matrix_product(graph: Graph, operation: Operation) -> int:
    first = _shape(graph, operation, 0)
    inner = first[-2] if operation.attributes.get("transpose_a") else first[-1]
    return operation.outputs[0].elements * inner


_MACS: dict[str, Callable[[Graph, Operation], int]] = {
    "Convolution": _convolution,
    "GroupConvolution": _group_convolution,
    "ConvolutionBackpropData": _transposed_convolution,
    "MatMul": _matrix_product,
}

WEIGHTED = frozenset(_MACS)


def _weights(graph: Graph, operation: Operation) -> list[Operation]:
    """The floating-point constants that an operation reads, directly or through conversions."""
    found = []
    waiting = [source for source, _ in operation.inputs if graph.operations[source].constant]
    while waiting:
        source = graph.operations[waiting.pop()]
        waiting.extend(index for index, _ in source.inputs)
        if source.type == "Constant" and source.outputs[0].type in ("f16", "f32", "bf16", "f64"):
            found.append(source)
    return found
