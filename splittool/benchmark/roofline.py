"""A rough answer without a device: a roofline from the chip's public figures.

Every step takes as long as its operations at peak rate or its traffic at peak bandwidth, whichever
is longer; steps follow one another. Real devices are slower: use the result to rank cuts only.
"""

from collections import Counter
from dataclasses import dataclass

from splittool.benchmark.chips import Chip
from splittool.cost.operations import operation_costs
from splittool.graph.graph import Graph, Operation
from splittool.reports import EstimateRecord
from splittool.runtime.myriad import Blob

# Fused into the hardware stage of the convolution before them.
_FUSED = {"Add", "Relu", "MaxPool", "AvgPool"}
_HARDWARE = {"Convolution", "GroupConvolution", "MatMul"}
_HALF = 2  # bytes of an FP16 value


@dataclass(frozen=True)
class _Step:
    """One step of work: where it runs, how much it computes and moves."""

    hardware: bool
    flops: float
    ddr_bytes: float


def roofline(
    chip: Chip, name: str, graph: Graph, blob: Blob | None, shaves: int | None = None
) -> EstimateRecord:
    """The least time that a network would take.

    Args:
        chip: The device.
        name: Name of the network in the record.
        graph: The network's operations.
        blob: The network's compiled stages; None takes the graph's own operations.
        shaves: SHAVEs in use; None takes the blob's, or all.
    """
    count = (blob.shaves if blob else 0) or shaves or chip.shaves
    steps = _compiled(graph, blob) if blob else _uncompiled(graph)
    rates = {True: chip.engine_ops, False: chip.shave_ops * count}
    times = [max(s.flops / rates[s.hardware], s.ddr_bytes / chip.ddr_bytes) for s in steps]
    compute = sum(times)
    sent = sum(graph.operations[i].outputs[0].bytes for i in _inputs(graph))
    received = sum(graph.tensor(source).elements * _HALF for source in _results(graph))
    link = (sent + received) / chip.link_bytes
    return EstimateRecord(
        model=name,
        basis="compiled stages" if blob else "operations of the IR",
        stages=len(steps),
        engine_ms=1e3 * sum(t for t, s in zip(times, steps, strict=True) if s.hardware),
        shaves_ms=1e3 * sum(t for t, s in zip(times, steps, strict=True) if not s.hardware),
        ddr_bytes=int(sum(step.ddr_bytes for step in steps)),
        link_bytes=sent + received,
        link_ms=1e3 * link,
        shaves=count,
        latency_ms=1e3 * (compute + link),
        fps=1 / max(compute, link),
    )


def _inputs(graph: Graph) -> list[int]:
    return [operation.index for operation in graph.parameters]


def _results(graph: Graph) -> list[tuple[int, int]]:
    results = (operation for operation in graph.operations if operation.type == "Result")
    return [operation.inputs[0] for operation in results]


def _compiled(graph: Graph, blob: Blob) -> list[_Step]:
    """The compiler's stages; a layer's operations are shared among those that compute it."""
    costs = operation_costs(graph)
    flops = {graph.operations[index].name: cost.flops or 0 for index, cost in costs.items()}
    computing = [stage for stage in blob.stages if stage.hardware or stage.kind != "Copy"]
    # Where an engine takes part, it does the work, and the other stages move data.
    on_engine = {stage.layer for stage in computing if stage.hardware}
    shares = Counter(s.layer for s in computing if s.hardware or s.layer not in on_engine)
    return [
        _Step(
            stage.hardware,
            flops.get(stage.layer, 0) / shares[stage.layer]
            if stage in computing and (stage.hardware or stage.layer not in on_engine)
            else 0,
            stage.ddr_bytes,
        )
        for stage in blob.stages
    ]


def _uncompiled(graph: Graph) -> list[_Step]:
    """One step for each operation that is not fused into the convolution before it."""
    steps = []
    for index, cost in operation_costs(graph).items():
        operation = graph.operations[index]
        if operation.type == "Convert" or _is_fused(graph, operation):
            continue
        read = sum(_bytes(graph, source) for source in operation.inputs)
        written = sum(tensor.elements * _HALF for tensor in operation.outputs)
        steps.append(_Step(operation.type in _HARDWARE, cost.flops or 0, read + written))
    return steps


def _bytes(graph: Graph, source: tuple[int, int]) -> int:
    return graph.tensor(source).elements * _HALF


def _is_fused(graph: Graph, operation: Operation) -> bool:
    """Whether it follows a convolution directly, or another operation fused into it."""
    if operation.type not in _FUSED:
        return False
    data = [source for source, _ in operation.inputs if not graph.operations[source].constant]
    if len(data) != 1:  # an addition of two tensors is not a bias
        return False
    before = graph.operations[data[0]]
    return before.type in _HARDWARE or _is_fused(graph, before)
