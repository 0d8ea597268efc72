"""Rewrite graphs for runtimes that know fewer operations.

What a runtime reads is decided by the version of its IR and by the newest operation set it knows.
An operation of a newer set is replaced by one of an older set that computes the same; `RULES` has
one rule per type. An operation without a rule stops the export by name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset1, opset3, opset6, opset7
from openvino.op import Constant
from openvino.utils.node_factory import NodeFactory

from splittool.errors import InputError

Rule = Callable[[ov.Node], ov.Node]


@dataclass(frozen=True)
class Target:
    """A generation of runtimes.

    Attributes:
        opset: The newest operation set that all of them read.
        ir: The newest version of IR that all of them read.
        runtimes: What they are, for messages.
    """

    opset: int
    ir: int
    runtimes: str


TARGETS: dict[str, Target | None] = {
    "openvino": None,  # whatever is installed
    "openvino-2022": Target(opset=10, ir=11, runtimes="OpenVINO 2022.3"),
    "myriad": Target(opset=7, ir=10, runtimes="OpenVINO 2021.3 and 2021.4, the last for Myriad"),
}


class _NoRuleError(Exception):
    """A rule does not cover this use of the operation; the message says why."""


def downgrade(model: ov.Model, target: Target) -> ov.Model:
    """A copy of a graph in which every operation is known to a generation of runtimes.

    Args:
        model: The graph, with fixed shapes; it is not changed.
        target: The runtimes that it is written for.

    Raises:
        InputError: An operation is too new and nothing older computes the same.
    """
    model = model.clone()
    _rewrite(model, target)
    model.validate_nodes_and_infer_types()
    return model


def _rewrite(model: ov.Model, target: Target) -> None:
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("If", "Loop", "TensorIterator") and target.ir < 11:
            raise _refusal(node, target, "it runs graphs inside the graph")
        if _opset(node, target) > target.opset:
            _replace(node, target)


def _opset(node: ov.Node, target: Target) -> int:
    """The operation set that an operation comes from."""
    version = str(node.get_type_info().version_id)
    if not version.startswith("opset"):
        raise _refusal(node, target, "it belongs to no operation set")
    return int(version.removeprefix("opset"))


def _replace(node: ov.Node, target: Target) -> None:
    rule = RULES.get(node.get_type_name())
    if rule is None:
        raise _refusal(node, target, "nothing older is known to compute the same")
    try:
        new = rule(node)
    except _NoRuleError as error:
        raise _refusal(node, target, str(error)) from None
    new.set_friendly_name(node.get_friendly_name())
    for old_output, new_output in zip(node.outputs(), new.outputs(), strict=False):
        old_output.replace(new_output)


def _refusal(node: ov.Node, target: Target, reason: str) -> InputError:
    info = node.get_type_info()
    return InputError(
        f"layer {node.get_friendly_name()!r} is a {info.name} of {info.version_id}, which"
        f" {target.runtimes} cannot read: {reason}; cut before it, or replace the layer"
    )


def _constant(values: NDArray[np.generic] | list[int]) -> ov.Node:
    array = np.array(values, np.int64) if isinstance(values, list) else values
    return Constant(np.ascontiguousarray(array))


def _value(node: ov.Node, port: int, what: str) -> NDArray[np.generic]:
    """The value of an input that has to be constant."""
    source = node.input_value(port).get_node()
    if not isinstance(source, Constant):
        raise _NoRuleError(f"its {what} are computed while it runs")
    return np.array(source.data)


def _shape(node: ov.Node) -> list[int]:
    return [int(size) for size in node.input(0).get_shape()]


def _unused(node: ov.Node, port: int, what: str) -> None:
    if len(node.outputs()) > port and node.output(port).get_target_inputs():
        raise _NoRuleError(f"its {what} are used")


def _rounding(node: ov.Node, attributes: dict[str, object]) -> str:
    """Old pools round like "ceil"; newer ones may leave out a window that starts in the padding."""
    rounding = str(attributes["rounding_type"])
    if rounding != "ceil_torch":
        return rounding
    raise _NoRuleError("its output size is rounded as torch does (ceil_torch)")


def _max_pool(node: ov.Node) -> ov.Node:
    _unused(node, 1, "indices")
    a = node.get_attributes()
    if set(a["dilations"]) - {1}:
        raise _NoRuleError("it is dilated")
    return opset1.max_pool(
        node.input_value(0),
        a["strides"],
        a["pads_begin"],
        a["pads_end"],
        a["kernel"],
        _rounding(node, a),
        a["auto_pad"],
    )


def _avg_pool(node: ov.Node) -> ov.Node:
    a = node.get_attributes()
    return opset1.avg_pool(
        node.input_value(0),
        a["strides"],
        a["pads_begin"],
        a["pads_end"],
        a["kernel"],
        a.get("exclude-pad", a.get("exclude_pad")),
        _rounding(node, a),
        a["auto_pad"],
    )


def _adaptive_avg_pool(node: ov.Node) -> ov.Node:
    """The mean over windows of unequal sizes is a product with a matrix for each axis."""
    shape, result = _shape(node), node.input_value(0)
    if len(shape) != 4:
        raise _NoRuleError(f"it pools over {len(shape) - 2} axes, not two")
    height, width = (int(size) for size in _value(node, 1, "sizes"))
    dtype = node.get_output_element_type(0).to_dtype()
    rows, columns = _means(shape[2], height, dtype), _means(shape[3], width, dtype)
    across = opset1.matmul(result, _constant(columns.T), False, False)
    return opset1.matmul(_constant(rows[None, None]), across, False, False)


def _means(size: int, bins: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """(bins, size): row i averages from element floor(i size/bins) to ceil((i+1) size/bins)."""
    matrix = np.zeros((bins, size))
    for index in range(bins):
        start, end = index * size // bins, -(-(index + 1) * size // bins)
        matrix[index, start:end] = 1 / (end - start)
    return matrix.astype(dtype)


def _interpolate(node: ov.Node) -> ov.Node:
    a = node.get_attributes()
    if "pillow" in str(a["mode"]):
        raise _NoRuleError(f"its mode is {a['mode']}")
    shape = _shape(node)
    axes = (
        _value(node, 2, "axes") if len(node.inputs()) > 2 else np.arange(len(shape))  # all of them
    )
    wanted = [int(node.get_output_shape(0)[axis]) for axis in axes]
    if a["shape_calculation_mode"] == "scales":
        scales = _value(node, 1, "scales").astype(np.float32)
    else:
        sizes = zip(wanted, axes, strict=True)
        scales = np.array([size / shape[axis] for size, axis in sizes], np.float32)
    attributes = {
        "mode": str(a["mode"]),
        "shape_calculation_mode": str(a["shape_calculation_mode"]),
        "coordinate_transformation_mode": str(a["coordinate_transformation_mode"]),
        "nearest_mode": str(a["nearest_mode"]),
        "antialias": bool(a["antialias"]),
        "pads_begin": list(a["pads_begin"]),
        "pads_end": list(a["pads_end"]),
        "cube_coeff": float(a["cube_coeff"]),
    }
    inputs = [_constant(wanted), _constant(scales), _constant([int(axis) for axis in axes])]
    # opset4.interpolate builds a node of opset 11.
    return NodeFactory("opset4").create(
        "Interpolate", [node.input_value(0), *(i.output(0) for i in inputs)], attributes
    )


def _softmax(node: ov.Node) -> ov.Node:
    axis = int(node.get_attributes()["axis"])
    return opset1.softmax(node.input_value(0), axis % len(_shape(node)))


def _slice(node: ov.Node) -> ov.Node:
    shape = _shape(node)
    start, stop, step = (
        [int(v) for v in _value(node, port, what)]
        for port, what in ((1, "starts"), (2, "ends"), (3, "steps"))
    )
    axes = (
        [int(axis) % len(shape) for axis in _value(node, 4, "axes")]
        if len(node.inputs()) > 4
        else list(range(len(start)))
    )
    begins, ends, strides = [0] * len(shape), [0] * len(shape), [1] * len(shape)
    whole = [1] * len(shape)  # axes to leave as they are
    for axis, first, last, stride in zip(axes, start, stop, step, strict=True):
        if stride < 0:
            raise _NoRuleError("it runs backwards")
        begins[axis], ends[axis], _ = slice(first, last, stride).indices(shape[axis])
        strides[axis], whole[axis] = stride, 0
    return opset1.strided_slice(
        node.input_value(0),
        _constant(begins),
        _constant(ends),
        _constant(strides),
        whole,
        whole,
    )


def _gather(node: ov.Node) -> ov.Node:
    """Only since opset 8 do negative indices count from the end."""
    axis = int(_value(node, 2, "axes").reshape(-1)[0])
    size = _shape(node)[axis]
    source = node.input_value(1)
    if isinstance(source.get_node(), Constant):
        indices = np.array(source.get_node().data)
        wrapped = _constant(np.where(indices < 0, indices + size, indices).astype(indices.dtype))
    else:
        dtype = source.get_element_type().to_dtype()
        end = _constant(np.full([1] * len(source.get_shape()), size, dtype))
        wrapped = opset1.floor_mod(opset1.add(source, end), end)
    batch = int(node.get_attributes()["batch_dims"])
    return opset7.gather(node.input_value(0), wrapped, node.input_value(2), batch)


def _group_normalization(node: ov.Node) -> ov.Node:
    a, shape = node.get_attributes(), _shape(node)
    groups = int(a["num_groups"])
    grouped = opset1.reshape(
        node.input_value(0), _constant([shape[0], groups, int(np.prod(shape[1:])) // groups]), False
    )
    normal = opset6.mvn(grouped, _constant([2]), True, float(a["epsilon"]), "inside_sqrt")
    back = opset1.reshape(normal, _constant(shape), False)
    each = _constant([1, shape[1], *[1] * (len(shape) - 2)])  # one value a channel
    scaled = opset1.multiply(back, opset1.reshape(node.input_value(1), each, False))
    return opset1.add(scaled, opset1.reshape(node.input_value(2), each, False))


def _pad(node: ov.Node) -> ov.Node:
    begin, end = _value(node, 1, "pads"), _value(node, 2, "pads")
    if begin.min() < 0 or end.min() < 0:
        raise _NoRuleError("it crops: its pads are below zero")
    value = node.input_value(3) if len(node.inputs()) > 3 else None
    mode = str(node.get_attributes()["pad_mode"])
    return opset1.pad(node.input_value(0), node.input_value(1), node.input_value(2), mode, value)


def _squeeze(node: ov.Node) -> ov.Node:
    if len(node.inputs()) < 2:
        return opset1.reshape(node.input_value(0), _constant(list(node.get_output_shape(0))), False)
    return opset1.squeeze(node.input_value(0), node.input_value(1))


def _top_k(node: ov.Node) -> ov.Node:
    a = node.get_attributes()
    if a.get("stable"):
        raise _NoRuleError("equal values keep their order (stable)")
    return opset3.topk(
        node.input_value(0),
        node.input_value(1),
        int(a["axis"]),
        str(a["mode"]),
        str(a["sort"]),
        str(a["index_element_type"]),
    )


RULES: dict[str, Rule] = {
    "AdaptiveAvgPool": _adaptive_avg_pool,
    "AvgPool": _avg_pool,
    "Gather": _gather,
    "GroupNormalization": _group_normalization,
    "Interpolate": _interpolate,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "TopK": _top_k,
}


def as_version_10(path: Path) -> None:
    """Turn IR v11 without newer operations into v10.

    OpenVINO itself no longer writes v10. The two differ in the number and in notes on layers
    (`rt_info`), which old readers refuse; the note on the whole graph they skip, and it holds the
    class names.
    """
    tree = ElementTree.parse(path)  # nosec B314 - OpenVINO wrote it a moment ago
    tree.getroot().set("version", "10")
    layers = tree.getroot().find("layers")
    assert layers is not None
    for parent in layers.iter():
        for note in parent.findall("rt_info"):
            parent.remove(note)
    tree.write(path, encoding="utf-8", xml_declaration=True)
