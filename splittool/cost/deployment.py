"""The device, the cloud and the link between them, and what each takes for a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from splittool.cost.bitrate import Content, sent_bits
from splittool.cost.energy import EnergyModel, operation_joules
from splittool.cost.minimum_cut import CutCosts
from splittool.cost.operations import WEIGHTED, OperationCost
from splittool.cost.rates import operation_latencies, operation_periods
from splittool.errors import UsageError
from splittool.graph.graph import Graph
from splittool.graph.layouts import image_layout
from splittool.graph.split_points import Source
from splittool.quantities import Link
from splittool.reports import RateRecord

Amount = Literal["latency", "period", "energy"]


@dataclass(frozen=True)
class Deployment:
    """Where the two halves of a network run, and how they are joined.

    Attributes:
        edge: Compute rate of the device.
        cloud: Compute rate of the cloud.
        link: The link from the device to the cloud.
        rtt_ms: Round-trip time of the link in milliseconds; whatever sends something waits for it.
        bits: Bits per element of features that were not measured.
        image_bytes: Size of the input as it is sent; None for raw values of its own type.
        answer_bytes: Size of the answer that a network wholly on the device sends; with 0 nobody
            waits for it elsewhere.
        energy: What a frame costs the device; None where that is not known.
        fps: Frames per second that are wanted; None for as many as there can be.
    """

    edge: RateRecord
    cloud: RateRecord
    link: Link
    rtt_ms: float = 0.0
    bits: int = 16
    image_bytes: float | None = None
    answer_bytes: float = 0.0
    energy: EnergyModel | None = None
    fps: float | None = None

    def transfer_ms(self, size: float) -> float:
        """Milliseconds that some bytes take on the link."""
        return size * 8 / (self.link.mbps * 1e3)

    def amounts(
        self, graph: Graph, costs: Mapping[int, OperationCost], sizes: Mapping[Source, float]
    ) -> dict[Amount, CutCosts]:
        """What every operation takes on each side, and every tensor on the link.

        Returns:
            Seconds that one frame takes (latency), seconds of each side's time that a stream of
            frames takes (period), and joules of the device (energy), where they are known.
        """
        link = {source: self.transfer_ms(size) / 1e3 for source, size in sizes.items()}
        latency, period = (
            CutCosts(take(self.edge, graph, costs), take(self.cloud, graph, costs), link)
            for take in (operation_latencies, operation_periods)
        )
        found: dict[Amount, CutCosts] = {"latency": latency, "period": period}
        if self.energy:
            joules = operation_joules(self.energy.record.edge, graph, costs, period.edge)
            found["energy"] = self.energy.costs(joules, latency, sizes)
        return found


def tensor_bytes(graph: Graph, bits: int, image_bytes: float | None = None) -> dict[Source, float]:
    """Bytes of each tensor on the link, by (operation, port), without tensors of open size.

    Bits per element are those of `sent_bits`: an image has 8 for each value, and what is computed
    from it before the first convolution or matrix product no fewer.

    Args:
        graph: The graph.
        bits: Bits per element.
        image_bytes: Size of the one input as it is sent, if it is compressed.

    Raises:
        UsageError: `image_bytes` is given, and the network has several inputs.
    """
    if image_bytes is not None and len(graph.parameters) > 1:
        raise UsageError(
            f"the size of a compressed image is for one input, and the network has"
            f" {len(graph.parameters)}: leave out `image_bytes` and reports of the whole network"
        )
    images = _images(graph)
    sizes = {}
    for source in graph.consumers:
        operation, tensor = graph.operations[source[0]], graph.tensor(source)
        if operation.constant or tensor.shape is None:
            continue
        what: Content = "features"
        if source[0] in images:
            what = "image" if operation.type == "Parameter" else "scaled image"
        each = sent_bits(tensor, bits, what)
        sizes[source] = tensor.elements * each / 8
        if operation.type == "Parameter" and image_bytes is not None:
            sizes[source] = image_bytes
    return sizes


def _images(graph: Graph) -> set[int]:
    """Operations that put out an image, or what no weighted layer made of one."""
    found: set[int] = set()
    for op in graph.operations:
        sources = [u for u, _ in op.inputs if not graph.operations[u].constant]
        if op.type == "Parameter":
            holds = op.outputs[0].type == "u8" or image_layout(op.outputs[0].shape) is not None
        else:
            holds = bool(sources) and found.issuperset(sources) and op.type not in WEIGHTED
        if holds:
            found.add(op.index)
    return found


def answer_estimate(graph: Graph, bits: int) -> float:
    """Bytes of a network's outputs as somebody would send them, where nothing was measured.

    Maps (1, C, H, W) become masks whose outlines are coded, and an outline grows with the side of
    an image, not with its area: C x sqrt(H x W) bits, one for each class and pixel of the side of a
    square as large. Of real steel, 200x200 pixels with three classes took 75 bytes by this formula
    and 72 coded, 256x1600 with four classes 320 and 111. Any other output is sent as it is.

    Args:
        graph: The graph.
        bits: Bits per element of outputs that are no maps.
    """
    total = 0.0
    outputs = {op.inputs[0] for op in graph.operations if op.type == "Result"}
    for tensor in map(graph.tensor, outputs):
        shape = tensor.shape
        if shape is not None and len(shape) == 4 and min(shape[2:]) > 1:
            total += shape[1] * sqrt(shape[2] * shape[3]) / 8
        elif shape is not None:
            total += tensor.elements * sent_bits(tensor, bits) / 8
    return total
