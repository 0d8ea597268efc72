from pathlib import Path

import pytest

from splittool.benchmark.chips import CHIPS
from splittool.benchmark.estimate import estimate
from splittool.benchmark.roofline import roofline
from splittool.benchmark.workload import Workload
from splittool.cost.operations import operation_costs
from splittool.graph.graph import read_graph
from splittool.graph.reading import load_model
from splittool.runtime.myriad import Blob, Stage

CHIP = CHIPS["myriad-x"]


def test_every_figure_has_its_source() -> None:
    values = {record.value for record in CHIP.sources}
    assert values == {CHIP.engine_ops, CHIP.shave_ops, CHIP.ddr_bytes, CHIP.link_bytes}
    assert all(record.source for record in CHIP.sources)


def test_a_graph_by_hand(exported: Path) -> None:
    graph = read_graph(load_model(exported))
    record = roofline(CHIP, "tiny", graph, None, shaves=8)
    assert (record.model, record.basis, record.shaves) == ("tiny", "operations of the IR", 8)
    pixels = 3 * 64 * 96
    assert record.link_bytes == pixels + 2 * 4 * 64 * 96
    assert record.link_ms == pytest.approx(1e3 * record.link_bytes / 500e6)
    compute = record.engine_ms + record.shaves_ms
    assert record.latency_ms == pytest.approx(compute + record.link_ms)
    assert record.fps == pytest.approx(1e3 / max(compute, record.link_ms))
    # No shorter than all operations at the engine's rate, nor than all traffic.
    flops = sum(cost.flops or 0 for cost in operation_costs(graph).values())
    assert compute >= 1e3 * max(0.9 * flops / CHIP.engine_ops, record.ddr_bytes / CHIP.ddr_bytes)


def test_stages_by_hand(exported: Path, tmp_path: Path) -> None:
    graph = read_graph(load_model(exported))
    (flops,) = (
        cost.flops
        for index, cost in operation_costs(graph).items()
        if graph.operations[index].name == "encoder_1.conv_1"
    )
    assert flops
    stages = (
        Stage("encoder_1.conv_1", "MyriadXHwOp", 0),
        Stage("encoder_1.conv_1", "MyriadXHwOp", 12_800_000),
        Stage("encoder_1.conv_1", "Copy", 25_600_000),
    )
    record = roofline(CHIP, "x", graph, Blob(tmp_path, 4, 0, 0, stages))
    assert (record.basis, record.stages, record.shaves) == ("compiled stages", 3, 4)
    assert record.engine_ms == pytest.approx(1e3 * flops / 2 / 1e12 + 1)  # traffic decides once
    assert record.shaves_ms == pytest.approx(2)


def test_cuts_are_ranked(exported: Path, no_compiler: None) -> None:
    report = estimate(Workload([exported], splits=True))
    assert report.measured is False
    records = report.estimates
    assert [record.model for record in records] == ["maxpool_1", "maxpool_2", str(exported)]
    computing = [record.engine_ms + record.shaves_ms for record in records]
    assert computing == sorted(computing)


def test_compiled_stages_where_the_compiler_is(
    exported: Path, myriad_compiler: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", str(myriad_compiler))
    (record,) = estimate(exported).estimates
    assert record.basis == "compiled stages"
    assert record.engine_ms > 0
    assert record.shaves_ms > 0


def test_a_compiler_that_fails_is_told_of(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLITTOOL_MYRIAD_COMPILE", str(tmp_path / "gone"))
    notes: list[str] = []
    (record,) = estimate(load_model(exported), note=notes.append).estimates
    assert record.basis == "operations of the IR"
    (told,) = notes
    assert "there is no compiler at" in told


@pytest.fixture
def no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SPLITTOOL_MYRIAD_COMPILE", raising=False)
