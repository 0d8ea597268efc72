"""What crosses a cut of one of the networks, and the part behind it, found from its own `forward`.

A network is traced with its submodules as they are: what its `forward` does with them becomes a
graph. The head of a cut at X is X and all its ancestors, as everywhere in splittool.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import fx, nn

_SIDE = 4  # strides of the image whose tensors are looked at


class Crossing(NamedTuple):
    """A crossing tensor.

    Attributes:
        name: The module that puts it out.
        channels: Its channels.
        stride: Pixels of the image, in both directions, for one of its own.
    """

    name: str
    channels: int
    stride: int


class Tail(NamedTuple):
    """The part of a network behind a split point.

    Attributes:
        module: Takes the crossing tensors, and puts out what the network does; its submodules have
            the network's names.
        crossing: The tensors, in the order of the module's arguments.
        stride: That of the network: height and width of the image are multiples of it.
    """

    module: fx.GraphModule
    crossing: list[Crossing]
    stride: int


class _Tracer(fx.Tracer):
    """Looks into the network's own `forward` alone."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


def tail_of(make: Callable[[], nn.Module], at: str) -> Tail:
    """The part of a network behind a split point, and the tensors that it takes.

    Args:
        make: Builds the network.
        at: One of its `split_points`.

    Raises:
        ValueError: The network has no such split point.
    """
    network = make()
    points: tuple[str, ...] = network.split_points  # type: ignore[assignment]
    if at not in points:
        raise ValueError(f"it has no split point {at!r}; it has: {', '.join(points)}")
    graph = _Tracer().trace(network)
    head = _ancestors(next(node for node in graph.nodes if node.target == at))
    found = [node for node in graph.nodes if node in head and set(node.users) - head]
    tail = fx.Graph()
    copies = {node: tail.placeholder(node.name) for node in found}
    for node in graph.nodes:
        if node not in head:
            copies[node] = tail.node_copy(node, copies.__getitem__)
    stride = int(network.stride)  # type: ignore[arg-type]
    crossing = _described(found, make, graph, _SIDE * stride)
    return Tail(fx.GraphModule(network, tail), crossing, stride)


def _described(
    found: Sequence[fx.Node], make: Callable[[], nn.Module], graph: fx.Graph, side: int
) -> list[Crossing]:
    """What the tensors of some nodes are, from a square image."""
    with torch.device("meta"):  # nothing is computed
        values = _Values(make().eval(), graph=graph)
        values.run(torch.empty(1, 3, side, side))
    shapes = [values.all[node].shape for node in found]
    return [
        Crossing(str(node.target), channels, side // height)
        for node, (_, channels, height, _) in zip(found, shapes, strict=True)
    ]


class _Values(fx.Interpreter):
    """Runs a graph and keeps what each node gives."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(network, graph=graph)
        self.all: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node."""
        self.all[n] = super().run_node(n)
        return self.all[n]


def _ancestors(node: fx.Node) -> set[fx.Node]:
    """A node and all that it is computed from."""
    found, left = {node}, [node]
    while left:
        new = set(left.pop().all_input_nodes) - found
        found |= new
        left += new
    return found
