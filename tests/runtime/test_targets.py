from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset1, opset7, opset8, opset9, opset11, opset12, opset14, opset15

from splittool.benchmark.old_runtime import OldRuntime
from splittool.errors import InputError
from splittool.graph.reading import load_model
from splittool.runtime.ir import ModelInfo, core, read_info, write_info, write_ir
from splittool.runtime.targets import RULES, TARGETS, Target, downgrade

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
Build = Callable[[ov.Node], ov.Node]


def _i64(*values: int) -> ov.Node:
    return opset1.constant(np.array(values, np.int64))


def _interpolate(**options: Any) -> Build:
    def build(x: ov.Node) -> ov.Node:
        sizes = options.pop("sizes", None)
        scales = opset1.constant(np.array([1.5, 2.0], np.float32))
        target = scales if sizes is None else _i64(*sizes)
        how = "scales" if sizes is None else "sizes"
        return opset11.interpolate(
            x, target, shape_calculation_mode=how, axes=_i64(2, 3), **options
        )

    return build


def _group_norm(x: ov.Node) -> ov.Node:
    scale = opset1.constant(np.linspace(0.5, 2, 4, dtype=np.float32))
    bias = opset1.constant(np.linspace(-1, 1, 4, dtype=np.float32))
    return opset12.group_normalization(x, scale, bias, 2, 1e-5)


def _gather_computed(x: ov.Node) -> ov.Node:
    """The indices are -1 and 2 for any x."""
    mean = opset1.reshape(opset1.reduce_mean(x, _i64(0, 1, 2, 3), True), _i64(1), False)
    zero = opset1.multiply(mean, np.zeros(1, np.float32))
    indices = opset1.convert(opset1.add(zero, np.array([-1, 2], np.float32)), "i64")
    return opset8.gather(x, indices, _i64(2))


CASES: dict[str, Build] = {
    "AdaptiveAvgPool": lambda x: opset8.adaptive_avg_pool(x, _i64(3, 4)),
    "AvgPool": lambda x: opset14.avg_pool(x, [2, 2], [1, 1], [1, 0], [3, 3], True, "ceil"),
    "AvgPool-padding-counts": lambda x: opset14.avg_pool(
        x, [2, 2], [1, 1], [1, 0], [3, 3], False, "floor"
    ),
    "Gather": lambda x: opset8.gather(x, _i64(-1, 0, -3), _i64(3)),
    "Gather-computed": _gather_computed,
    "GroupNormalization": _group_norm,
    "Interpolate": _interpolate(mode="linear_onnx", coordinate_transformation_mode="half_pixel"),
    "Interpolate-sizes": _interpolate(mode="nearest", sizes=(13, 20)),
    "Interpolate-corners": _interpolate(
        mode="linear_onnx", coordinate_transformation_mode="align_corners", sizes=(13, 20)
    ),
    "MaxPool": lambda x: opset14.max_pool(x, [2, 1], [1, 1], [0, 1], [1, 0], [3, 2]).output(0),
    "Pad": lambda x: opset12.pad(x, _i64(0, 0, 1, 2), _i64(0, 0, 0, 3), "reflect"),
    "Pad-value": lambda x: opset12.pad(
        x, _i64(0, 1, 0, 0), _i64(0, 0, 2, 0), "constant", np.float32(2.5)
    ),
    "Slice": lambda x: opset8.slice(x, _i64(1, -5), _i64(9, 1000), _i64(3, 2), _i64(2, -1)),
    "Slice-all-axes": lambda x: opset8.slice(
        x, _i64(0, 1, 0, 2), _i64(1, 3, 9, 8), _i64(1, 1, 1, 1)
    ),
    "Softmax": lambda x: opset8.softmax(x, -3),
    "Squeeze": lambda x: opset15.squeeze(x, _i64(0)),
    "Squeeze-every": lambda x: opset15.squeeze(x),
    "TopK": lambda x: opset11.topk(x, np.int64(3), 3, "max", "value").output(0),
}


def _model(build: Build) -> ov.Model:
    x = opset1.parameter([1, 4, 9, 10], ov.Type.f32, name="x")
    node = build(x)
    (node.node if isinstance(node, ov.Output) else node).set_friendly_name("the layer")
    return ov.Model([opset1.result(node)], [x], "one")


def _input() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(1, 4, 9, 10)).astype(np.float32)


def _run(model: ov.Model | Path) -> NDArray[Any]:
    return np.array(core().compile_model(model, "CPU", F32)(_input())[0])


def test_every_rule_has_a_case() -> None:
    assert {name.partition("-")[0] for name in CASES} == set(RULES)


@pytest.mark.parametrize("target", ["openvino-2022", "myriad"])
@pytest.mark.parametrize("name", CASES)
def test_the_older_operation_computes_the_same(name: str, target: str, tmp_path: Path) -> None:
    model = _model(CASES[name])
    wanted = _run(model)
    goal = TARGETS[target]
    assert goal is not None
    write_ir(model, tmp_path / "old.xml", half=False, target=goal)
    old = core().read_model(tmp_path / "old.xml")
    assert _opsets(old) <= goal.opset
    assert f'version="{goal.ir}"' in (tmp_path / "old.xml").read_text()[:300]
    np.testing.assert_allclose(_run(old), wanted, rtol=1e-5, atol=1e-5)
    assert _run(model) == pytest.approx(wanted)  # the original is as it was


def _opsets(model: ov.Model) -> int:
    versions = (str(node.get_type_info().version_id) for node in model.get_ops())
    return max(int(version.removeprefix("opset")) for version in versions)


@pytest.mark.parametrize("name", CASES)
def test_the_old_runtime_computes_the_same(
    name: str, old_runtime: OldRuntime, tmp_path: Path
) -> None:
    model = _model(CASES[name])
    write_ir(model, tmp_path / "old.xml", half=False, target=TARGETS["myriad"])
    old_runtime.load(tmp_path / "old.xml", "CPU", "latency", None, {"ENFORCE_BF16": "NO"})
    (found,) = old_runtime.infer({"x": _input()}).values()
    np.testing.assert_allclose(found, _run(model), rtol=1e-5, atol=1e-5)


def test_names_and_classes_stay(tmp_path: Path) -> None:
    model = _model(CASES["MaxPool"])
    write_info(model, ModelInfo(arch="unet", classes=["a"], fit="pad", split_points=["the layer"]))
    write_ir(model, tmp_path / "old.xml", half=False, target=TARGETS["myriad"])
    old = load_model(tmp_path / "old.xml")
    assert "the layer" in {node.get_friendly_name() for node in old.get_ops()}
    assert read_info(old).classes == ["a"]


def _used_indices(x: ov.Node) -> ov.Node:
    pool = opset14.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2])
    return opset1.add(pool.output(0), opset1.convert(pool.output(1), "f32"))


UNFIT: list[tuple[Build, str]] = [
    (lambda x: opset9.softsign(x), r"'the layer' is a SoftSign of opset9.*nothing older"),
    (lambda x: opset14.max_pool(x, [1, 1], [2, 2], [0, 0], [0, 0], [2, 2]).output(0), "dilated"),
    (
        lambda x: opset14.max_pool(
            x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], rounding_type="ceil_torch"
        ).output(0),
        "ceil_torch",
    ),
    (lambda x: opset12.pad(x, _i64(0, 0, -1, 0), _i64(0, 0, 0, 0), "constant"), "below zero"),
    (lambda x: opset8.slice(x, _i64(5), _i64(0), _i64(-1), _i64(2)), "backwards"),
    (lambda x: opset11.topk(x, np.int64(3), 3, "max", "value", stable=True).output(0), "stable"),
    (
        lambda x: opset11.interpolate(x, _i64(4, 4), "bilinear_pillow", "sizes", axes=_i64(2, 3)),
        "bilinear_pillow",
    ),
]


@pytest.mark.parametrize(("build", "reason"), UNFIT)
def test_what_has_no_older_form_is_named(build: Build, reason: str) -> None:
    target = TARGETS["myriad"]
    assert target is not None
    with pytest.raises(InputError, match=reason):
        downgrade(_model(build), target)


def test_used_indices_are_named() -> None:
    target = TARGETS["openvino-2022"]
    assert target is not None
    x = opset1.parameter([1, 4, 8, 8], ov.Type.f32, name="x")
    model = ov.Model([opset1.result(_used_indices(x))], [x], "one")
    with pytest.raises(InputError, match=r"is a MaxPool of opset14.*its indices are used"):
        downgrade(model, target)


def test_an_operation_old_enough_stays() -> None:
    model = _model(lambda x: opset7.gelu(x, "erf"))
    for target in TARGETS.values():
        if target is not None:
            types = {node.get_type_name() for node in downgrade(model, target).get_ops()}
            assert "Gelu" in types
    with pytest.raises(InputError, match="opset7"):
        downgrade(model, Target(opset=6, ir=10, runtimes="older"))


def test_a_loop_is_refused_for_old_runtimes() -> None:
    def build(x: ov.Node) -> ov.Node:
        inner = [opset1.parameter([1, 4, 9, 10], ov.Type.f32) for _ in range(2)]
        bodies = [ov.Model([opset1.result(opset1.relu(x))], [x], "body") for x in inner]
        node = opset8.if_op(opset1.constant(np.array(True)))
        node.set_then_body(bodies[0])
        node.set_else_body(bodies[1])
        node.set_input(x.output(0), *inner)
        return node.set_output(*(body.get_results()[0] for body in bodies)).get_node()

    target = TARGETS["myriad"]
    assert target is not None
    with pytest.raises(InputError, match="runs graphs inside the graph"):
        downgrade(_model(build), target)
