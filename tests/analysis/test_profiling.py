from pathlib import Path

import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.analysis.profiling import profile
from splittool.ir.graph import read_graph
from splittool.ir.load import load_model


def test_the_profile_of_a_network(exported: Path) -> None:
    graph = read_graph(load_model(exported))
    report = profile(exported, graph, ["input", "maxpool_1"])
    assert report.gflops == pytest.approx(sum(layer.gflops or 0 for layer in report.layers))
    assert report.gmacs == pytest.approx(sum(layer.gmacs for layer in report.layers))
    assert report.parameters == sum(layer.parameters for layer in report.layers)
    assert report.layers[-1].cumulative_gflops == pytest.approx(report.gflops)
    assert report.weight_bytes <= 2 * report.parameters + 8  # 16 bits each
    assert report.min_memory_elements < report.max_memory_elements
    assert report.not_counted == {}
    assert [split.point for split in report.splits] == ["input", "maxpool_1"]
    assert report.source.path == str(exported)


def test_unknown_operations_are_listed_and_not_counted(tmp_path: Path) -> None:
    x = op.parameter([1, 10], ov.Type.f32, name="x")
    model = ov.Model([op.result(op.relu(op.erf(op.erf(op.exp(x)))))], [x], "m")
    (tmp_path / "m.xml").touch()
    report = profile(tmp_path / "m.xml", read_graph(model), [])
    assert report.not_counted == {"Erf": 2, "Exp": 1}
    assert report.gflops == pytest.approx(20 / 1e9)
    assert [layer.gflops is None for layer in report.layers] == [True, True, True, False]
