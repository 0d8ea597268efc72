"""The work on each side of a cut: operations, memory and parameters."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from splittool.cost.operations import WEIGHTED, OperationCost, operation_costs
from splittool.graph.graph import Graph, Operation, TensorInfo, uncollected
from splittool.graph.split_points import INPUT, Cut, find_cut, split_points
from splittool.reports import CutReport, LayerRecord, RefusedRecord, SplitRecord, TensorRecord
from splittool.runtime.ir import ModelInfo


def tensor_record(tensor: TensorInfo) -> TensorRecord:
    """A tensor as reports show it; tensors whose size depends on the data cross no legal cut."""
    assert tensor.shape is not None
    return TensorRecord(tensor.name, list(tensor.shape), tensor.type, tensor.bits, tensor.elements)


@dataclass(frozen=True)
class Memory:
    """Activations of a part of a graph.

    Attributes:
        sum_elements: MaxMem.
        sum_bytes: The same in bytes, as the graph types its tensors.
        live_elements: MinMem.
        live_bytes: The same in bytes.
    """

    sum_elements: int = 0
    sum_bytes: int = 0
    live_elements: int = 0
    live_bytes: int = 0


def activation_memory(graph: Graph, part: Iterable[int]) -> Memory:
    """Memory of some operations and the inputs they read.

    Args:
        graph: The graph.
        part: Operation indices.
    """
    memory = Memory()
    for memory in running_memory(graph, part):  # noqa: B007, the last one is wanted
        pass
    return memory


def running_memory(graph: Graph, part: Iterable[int]) -> Iterator[Memory]:
    """Memory after each of some operations, in topological order.

    What an operation outside the part reads, or a result of the graph, lives to the end. What an
    operation outside the part has put out lives from the first time it is read.
    """
    unread: dict[tuple[int, int], int] = {}
    elements = size = 0
    total_elements = total_size = peak_elements = peak_size = 0
    for index in sorted(set(part)):
        operation = graph.operations[index]
        read = [source for source in operation.inputs if not graph.operations[source[0]].constant]
        written = [
            (index, port)
            for port in range(len(operation.outputs))
            if port == 0 or (index, port) in graph.consumers
        ]
        for source in dict.fromkeys([*read, *written]):
            if source not in unread:
                unread[source] = len(graph.consumers.get(source, ()))
                tensor = graph.tensor(source)
                elements, size = elements + tensor.elements, size + tensor.bytes
                total_elements += tensor.elements
                total_size += tensor.bytes
        peak_elements, peak_size = max(peak_elements, elements), max(peak_size, size)
        for source in read:
            unread[source] -= 1
        for source in dict.fromkeys([*read, *written]):
            if not unread[source]:
                tensor = graph.tensor(source)
                elements, size = elements - tensor.elements, size - tensor.bytes
        yield Memory(total_elements, total_size, peak_elements, peak_size)


@dataclass(frozen=True)
class _Work:
    """What some operations cost together."""

    operations: int = 0
    weighted: int = 0
    flops: int = 0
    macs: int = 0
    parameters: int = 0
    weight_bytes: int = 0

    def plus(self, operation: Operation, cost: OperationCost) -> "_Work":
        return _Work(
            self.operations + 1,
            self.weighted + (operation.type in WEIGHTED),
            self.flops + (cost.flops or 0),
            self.macs + cost.macs,
            self.parameters + cost.parameters,
            self.weight_bytes + cost.weight_bytes,
        )


def describe_splits(graph: Graph, names: Iterable[str]) -> list[SplitRecord]:
    """Price the cuts at some split points.

    Raises:
        InputError: A name is unknown.
    """
    costs = operation_costs(graph)
    return [describe_split(graph, find_cut(graph, name), costs) for name in names]


def describe_split(graph: Graph, cut: Cut, costs: dict[int, OperationCost]) -> SplitRecord:
    """Price one cut; `costs` is `operation_costs(graph)`."""
    head = _work(graph, cut.head, costs)
    memory = activation_memory(graph, cut.head)
    return _record(cut.at, cut.tensors, head, _work(graph, costs, costs), memory)


@uncollected()
def describe_split_points(graph: Graph) -> tuple[list[SplitRecord], list[RefusedRecord]]:
    """Price every split point in topological order, the input first, in one pass.

    Returns:
        The split points, and those where the graph cannot be cut.
    """
    costs = operation_costs(graph)
    whole, head = _work(graph, costs, costs), _Work()
    found = [describe_split(graph, find_cut(graph, INPUT), costs)]
    refused = []
    for place, memory in zip(split_points(graph), running_memory(graph, costs), strict=False):
        operation = graph.operations[place.operation]
        head = head.plus(operation, costs[operation.index])
        at = tuple(graph.operations[index].name for index in sorted(place.ends))
        if place.refusal:
            refused.append(RefusedRecord(" + ".join(at), place.refusal))
        else:
            tensors = [graph.tensor(source) for source in place.crossing]
            found.append(_record(at, tensors, head, whole, memory))
    return found, refused


def list_splits(graph: Graph, info: ModelInfo) -> tuple[list[SplitRecord], list[RefusedRecord]]:
    """Price the named split points of a model, or else every one in topological order."""
    names = [name for name in info.split_points if name in graph.by_name]
    return (describe_splits(graph, [INPUT, *names]), []) if names else describe_split_points(graph)


def described_at(graph: Graph, info: ModelInfo, at: Sequence[str]) -> list[SplitRecord]:
    """Price the input and the split points asked for, or all of `list_splits` if none are.

    Raises:
        InputError: A name is unknown.
    """
    if not at:
        return list_splits(graph, info)[0]
    return describe_splits(graph, [INPUT, *(name for name in at if name != INPUT)])


def _work(graph: Graph, part: Iterable[int], costs: dict[int, OperationCost]) -> _Work:
    work = _Work()
    for index in part:
        work = work.plus(graph.operations[index], costs[index])
    return work


def _record(
    at: Sequence[str], tensors: Sequence[TensorInfo], head: _Work, whole: _Work, memory: Memory
) -> SplitRecord:
    return SplitRecord(
        point=" + ".join(at),
        at=list(at),
        elements=sum(tensor.elements for tensor in tensors),
        tensors=[tensor_record(tensor) for tensor in tensors],
        head_operations=head.operations,
        tail_operations=whole.operations - head.operations,
        head_weighted_layers=head.weighted,
        head_gflops=head.flops / 1e9,
        tail_gflops=(whole.flops - head.flops) / 1e9,
        head_gmacs=head.macs / 1e9,
        tail_gmacs=(whole.macs - head.macs) / 1e9,
        head_gflops_share=head.flops / max(whole.flops, 1),
        head_parameters=head.parameters,
        head_weight_bytes=head.weight_bytes,
        head_live_elements=memory.live_elements,
        head_live_bytes=memory.live_bytes,
        head_sum_elements=memory.sum_elements,
        head_sum_bytes=memory.sum_bytes,
    )


def input_split(cut: CutReport) -> SplitRecord:
    """The split point "input" of the network that a cut was made from: nothing on the device."""
    split = cut.split
    return SplitRecord(
        point=INPUT,
        at=[INPUT],
        elements=sum(tensor.elements for tensor in cut.every_input),
        tensors=cut.every_input,
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
        head_sum_bytes=0,
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
                shape=None if output.shape is None else list(output.shape),
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
