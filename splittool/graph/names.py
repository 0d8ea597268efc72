"""Names for operations that have none, from the graph alone.

OpenVINO calls an operation without a name by its type and a number that counts on through the
whole process, and lends such names to operations nearby. They differ at every reading of a file, so
nobody could cut at them.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import zip_longest

import openvino as ov

_LIKE_A_COUNT = re.compile(r"[A-Z][A-Za-z0-9]*_[0-9]+")
_UNNAMED = ("Constant", "Result")  # nobody cuts there


def name_operations(model: ov.Model, read_again: Callable[[], ov.Model]) -> None:
    """Give lasting names to the operations whose names are different at the next reading.

    Such an operation is called like the tensor that it puts out, or else by its type and its place
    among those of its type in topological order: "Reshape_1". All other names stay.

    Args:
        model: A graph as it was read; it is changed.
        read_again: Reads the same graph once more. This is done only where a name looks like one
            of OpenVINO's; networks whose own operations are called "Relu_12" are common.
    """
    nodes = model.get_ordered_ops()
    names = [node.get_friendly_name() for node in nodes]
    if not any(map(_suspect, nodes)):
        return
    others = read_again().get_ordered_ops()
    lasting = [
        not _suspect(node) or (other is not None and other.get_friendly_name() == name)
        for node, name, other in zip_longest(nodes, names, others[: len(nodes)])
    ]
    _rename(nodes, lasting)


def name_copy(copy: ov.Model, source: ov.Model) -> None:
    """Give lasting names to those operations of a copy that have none in its source.

    A name that a reader lent to an operation cannot be told from its own here, and stays.

    Args:
        copy: `source.clone()`; it is changed.
        source: A graph in memory.
    """
    lasting = [
        node.get_type_name() in _UNNAMED or node.get_friendly_name() != node.get_name()
        for node in source.get_ordered_ops()
    ]
    if not all(lasting):
        _rename(copy.get_ordered_ops(), lasting)


def _suspect(node: ov.Node) -> bool:
    return node.get_type_name() not in _UNNAMED and bool(
        _LIKE_A_COUNT.fullmatch(node.get_friendly_name())
    )


def _rename(nodes: Sequence[ov.Node], lasting: Sequence[bool]) -> None:
    taken = {node.get_friendly_name() for node, stays in zip(nodes, lasting, strict=True) if stays}
    counts: Counter[str] = Counter()
    for node, stays in zip(nodes, lasting, strict=True):
        if not stays:
            node.set_friendly_name(_free_name(node, taken, counts))


def _free_name(node: ov.Node, taken: set[str], counts: Counter[str]) -> str:
    name = _tensor_name(node)
    while not name or name in taken:
        kind = node.get_type_name()
        counts[kind] += 1
        name = f"{kind}_{counts[kind]}"
    taken.add(name)
    return name


def _tensor_name(node: ov.Node) -> str | None:
    """The shortest name of the first output that has one."""
    for port in node.outputs():
        if names := port.get_names():
            return str(min(names, key=lambda name: (len(name), name)))
    return None
