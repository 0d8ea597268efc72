from pathlib import Path

import openvino as ov
import pytest
from openvino import opset13 as op

from splittool.cost.profiles import profile
from splittool.graph.graph import Graph, read_graph
from splittool.graph.reading import load_model
from splittool.reports import file_record
from splittool.runtime.ir import ModelInfo


def test_the_profile_of_a_network(exported: Path) -> None:
    graph = read_graph(load_model(exported))
    report = profile(file_record(exported), graph, ModelInfo(split_points=["maxpool_1", "gone"]))
    assert report.gflops == pytest.approx(sum(layer.gflops or 0 for layer in report.layers))
    assert report.gmacs == pytest.approx(sum(layer.gmacs for layer in report.layers))
    assert report.parameters == sum(layer.parameters for layer in report.layers)
    assert report.layers[-1].cumulative_gflops == pytest.approx(report.gflops)
    assert report.weight_bytes <= 2 * report.parameters + 8  # 16 bits each
    assert report.min_memory_elements < report.max_memory_elements
    assert report.not_counted == {}
    assert [split.point for split in report.splits] == ["input", "maxpool_1"]
    assert report.source.path == str(exported)


def _sorted(x: ov.Node) -> ov.Output:
    return op.topk(x, op.constant(10), 1, "max", "value").output(0)


def test_unknown_operations_are_listed_and_not_counted(tmp_path: Path) -> None:
    x = op.parameter([1, 10], ov.Type.f32, name="x")
    model = ov.Model([op.result(op.relu(_sorted(_sorted(x))))], [x], "m")
    (tmp_path / "m.xml").touch()
    report = profile(file_record(tmp_path / "m.xml"), read_graph(model), ModelInfo())
    assert report.not_counted == {"TopK": 2}
    assert report.gflops == pytest.approx(2 * 10 / 1e9)
    assert [layer.gflops is None for layer in report.layers] == [True, True, False]


def test_model_analyzers_figure_of_the_papers_network_to_the_last_digit(
    paper_graph: Graph, tmp_path: Path
) -> None:
    """9.7463 GFLOPs and MaxMem 110.2037 M are published for the network without normalisation."""
    (tmp_path / "m.xml").touch()
    report = profile(file_record(tmp_path / "m.xml"), paper_graph, ModelInfo())
    pixels = 3 * 256 * 1600
    normalise = [layer for layer in report.layers if layer.name.startswith("normalise")]
    assert sum(layer.gflops or 0 for layer in normalise) == pytest.approx(pixels / 1e9)
    found = report.model_analyzer
    assert found.gflops - pixels / 1e9 == pytest.approx(9.7463296, abs=1e-9)
    assert found.index_output_gflops == pytest.approx(0.0062464, abs=1e-9)
    # Each of the five pooled tensors once more: 8 x 128 x 800 + 16 x 64 x 400 + ...
    assert found.index_output_elements == 1_561_600
    assert found.weight_conversion_elements == 0  # this graph has 32-bit weights


def test_16_bit_weights_are_counted_again_by_model_analyzer_only(exported: Path) -> None:
    report = profile(file_record(exported), read_graph(load_model(exported)), ModelInfo())
    converted = report.model_analyzer.weight_conversion_elements
    assert converted == pytest.approx(report.parameters, abs=4)
    assert report.model_analyzer.max_memory_elements == (
        report.max_memory_elements + report.model_analyzer.index_output_elements + converted
    )
