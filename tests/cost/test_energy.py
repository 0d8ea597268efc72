"""Energies by hand, their optimum by brute force, and what must be given."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from plan_cases import BENCH, SOURCE, bench_set, planned, row, written

from splittool.cost.deployment import Deployment
from splittool.cost.energy import (
    EnergyModel,
    operation_joules,
    radio_millijoules,
    radio_record,
    read_edge_energy,
)
from splittool.cost.limits import nothing_fits
from splittool.cost.measurements import Measured, Sent
from splittool.cost.operations import operation_costs
from splittool.cost.plan_options import PlanOptions
from splittool.cost.plans import plan
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph
from splittool.graph.split_points import find_cut
from splittool.quantities import Link
from splittool.quantities.energy import parse_edge_energy, parse_radio
from splittool.reports import (
    EdgeEnergyRecord,
    EnergyRecord,
    FileRecord,
    PowerRecord,
    RadioRecord,
    RateRecord,
)
from splittool.runtime.ir import ModelInfo

POWER = PowerRecord("package-0", "the processor", watts=4.0, joules_per_frame=0.4, idle_watts=1.0)


def powered(
    idle: float | None = 0.5, battery: float | None = None, watts: float | None = None, **more: Any
) -> Deployment:
    """1 FLOP a millisecond on the device, 4 in the cloud, 1 byte a millisecond; 3 ms round trip.

    A frame costs 2 mJ for each FLOP and 1 mJ for each byte, unless power is given.
    """
    work = None if watts else 2e6  # J/GFLOP, of a very poor device
    record = EnergyRecord(
        EdgeEnergyRecord("given", work, watts), RadioRecord("radio", 62_500, 500), idle, battery
    )
    given = {"rtt_ms": 3.0, "bits": 8, **more}
    model = EnergyModel(record, 0.008)
    rates = RateRecord("", 1e-6), RateRecord("", 4e-6)
    return Deployment(*rates, Link("link", 0.008), energy=model, **given)


def test_a_row_by_hand(small: Graph) -> None:
    # The head has 24 FLOPs and takes 24 ms; 4 bytes at (62500 x 0.008 + 500) mW take 4 ms; then the
    # device waits 4 + 3 + 11 ms at 0.5 W.
    found = row(planned(small, powered()), "first")
    assert (found.computing_mj, found.radio_mj) == pytest.approx((48, 4))
    assert found.waiting_mj == pytest.approx(0.5 * 18)
    assert found.energy_mj == pytest.approx(48 + 4 + 9)


def test_power_times_the_time_of_the_head(small: Graph) -> None:
    found = row(planned(small, powered(watts=1.5)), "first")
    assert found.computing_mj == pytest.approx(1.5 * 24)


def test_without_idle_power_waiting_is_unknown_and_not_counted(small: Graph) -> None:
    report = planned(small, powered(idle=None))
    found = row(report, "first")
    assert found.waiting_mj is None
    assert found.energy_mj == pytest.approx(48 + 4)
    assert report.energy
    assert "waiting not counted" in report.energy.remarks()[0]


def test_without_figures_there_is_no_energy(small: Graph) -> None:
    report = planned(small, without_energy(powered()))
    assert (report.energy, report.energy_optimum) == (None, None)
    assert all(found.energy_mj is None and found.battery_hours is None for found in report.rows)


def without_energy(given: Deployment) -> Deployment:
    return Deployment(given.edge, given.cloud, given.link, given.rtt_ms, given.bits)


def test_hours_on_a_battery(small: Graph) -> None:
    # 20 frames a second: 52 mJ each; the device computes for 0.48 of the time, and idles for 0.52.
    found = row(planned(small, powered(battery=10, fps=20.0)), "first")
    assert found.battery_hours == pytest.approx(10 / (20 * 0.052 + 0.5 * 0.52))
    own = row(planned(small, powered(battery=10)), "first")  # as fast as it can: never idle
    assert own.fps == pytest.approx(1000 / 24)
    assert own.battery_hours == pytest.approx(10 / (0.052 * 1000 / 24))
    late = row(planned(small, powered(battery=10, fps=42.0)), "first")
    assert late.battery_hours is None


def test_one_frame_after_the_other_takes_energy_times_rate(small: Graph) -> None:
    latency = row(planned(small, powered()), "first").latency_ms
    found = row(planned(small, powered(battery=10, fps=1000 / latency)), "first")
    assert found.energy_mj is not None
    assert found.battery_hours == pytest.approx(10 / (found.energy_mj / latency))


@pytest.mark.parametrize("idle", [None, 0.5, 5.0])
@pytest.mark.parametrize("answer", [0, 3])
def test_the_chosen_row_is_that_of_least_energy(
    small: Graph, idle: float | None, answer: float
) -> None:
    report = planned(small, powered(idle=idle, answer_bytes=answer), "energy")
    assert report.chosen == report.energy_optimum is not None
    energies = [found.energy_mj or 0.0 for found in report.rows]
    assert energies[report.chosen] == pytest.approx(min(energies))


def test_most_energy(small: Graph) -> None:
    report = planned(small, powered(), max_energy_mj=60)
    assert {found.point for found in report.rows if not found.excluded} == {"cloud only"}
    none = planned(small, powered(), max_energy_mj=1e-3)
    assert none.chosen is None
    assert "`max_energy` 0.001 excludes most, 6 of 6" in nothing_fits(none)


def test_the_radio_of_huang() -> None:
    """Sending at 10 Mbit/s by LTE: 438.39 x 10 + 1288.04 mW for 0.8 s of 10^6 bytes."""
    radio = radio_record(parse_radio("lte"))
    assert radio_millijoules(radio, 1e6, 10) == pytest.approx((4383.9 + 1288.04) * 0.8)


def test_joules_of_a_benchmark(tmp_path: Path, paper_graph: Graph) -> None:
    source = FileRecord("unet.xml", 1, "abc")
    run = msgspec.structs.replace(BENCH, source=source, power=POWER)
    path = written(tmp_path / "bench.json", run)
    record, idle = read_edge_energy(parse_edge_energy(path), source, paper_graph)
    assert (idle, record.sensor, record.heads) == (1.0, "package-0", [])
    costs = operation_costs(paper_graph)
    joules = operation_joules(record, paper_graph, costs, {})
    assert sum(joules.values()) == pytest.approx(0.4)


def test_joules_of_heads(tmp_path: Path, paper_graph: Graph) -> None:
    source = FileRecord("unet.xml", 1, "abc")
    runs = [
        msgspec.structs.replace(
            BENCH,
            source=source,
            point=point,
            power=msgspec.structs.replace(POWER, joules_per_frame=joules),
        )
        for point, joules in ((None, 0.9), ("maxpool_1", 0.2), ("maxpool_2", 0.5))
    ]
    path = written(tmp_path / "bench.json", bench_set(*runs))
    record, _ = read_edge_energy(parse_edge_energy(path), source, paper_graph)
    joules = operation_joules(record, paper_graph, operation_costs(paper_graph), {})
    for point, expected in (("maxpool_1", 0.2), ("maxpool_2", 0.5)):
        head = find_cut(paper_graph, point).head
        assert sum(joules[i] for i in head) == pytest.approx(expected)
    assert sum(joules.values()) == pytest.approx(0.9)


def test_a_benchmark_without_joules(tmp_path: Path, paper_graph: Graph) -> None:
    source = FileRecord("unet.xml", 1, "abc")
    path = written(tmp_path / "bench.json", msgspec.structs.replace(BENCH, source=source))
    with pytest.raises(InputError, match=r"bench\.json has no joules of unet\.xml, .* --watts"):
        read_edge_energy(parse_edge_energy(path), source, paper_graph)


BASE = {"edge": 100, "cloud": 5000, "link": 100}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"best": "energy"}, "`best` needs `edge_energy` as well"),
        ({"best": "energy", "edge_energy": "1.5W"}, "`edge_energy` needs `radio` as well"),
        ({"radio": "wifi"}, "`radio` needs `edge_energy` as well"),
        ({"battery": "10Wh"}, "`battery` needs `edge_energy`"),
        ({"idle_power": "1W"}, "`idle_power` needs `edge_energy`"),
        ({"edge_energy": "lots", "radio": "wifi"}, "is not an energy of computing"),
        ({"edge_energy": "1W", "radio": "smoke"}, "is not a known radio"),
        ({"edge_energy": "1W", "radio": "wifi", "idle_power": "0W"}, "is not a power"),
        ({"edge_energy": "1W", "radio": "wifi", "battery": "1Ah"}, "is not what a battery holds"),
        ({"fps": 0}, "`fps` 0 is out of range"),
    ],
)
def test_what_energy_needs(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PlanOptions(**BASE, **given).check()


def test_a_plan_from_what_people_write(paper_graph: Graph) -> None:
    options = PlanOptions(
        **BASE,
        edge_energy="0.02J/GFLOP",
        radio="wifi",
        idle_power="100mW",
        battery="10Wh",
        fps=5,
        best="energy",
    )
    report = plan(SOURCE, paper_graph, ModelInfo(), options)
    edge = report.rows[0]
    assert edge.computing_mj == pytest.approx(20 * edge.head_gflops)
    assert report.energy
    assert report.energy.radio.name == "wifi"
    assert (report.energy.idle_watts, report.energy.battery_wh, report.fps) == (0.1, 10, 5)
    assert report.chosen == report.energy_optimum


def test_coding_takes_time_and_at_a_known_power_energy(small: Graph) -> None:
    measured = Measured(
        cuts={("first",): [Sent(4, 0.9, 8, "fast", encode_ms=30.0, decode_ms=20.0)]}, whole_dice=0.9
    )
    plain = row(planned(small, powered(watts=1.5)), "first")
    coded = row(planned(small, powered(watts=1.5), measured=measured), "first")
    assert (coded.head_ms, coded.tail_ms) == (plain.head_ms, plain.tail_ms)
    assert coded.latency_ms == pytest.approx(plain.latency_ms + 50)
    assert coded.fps == pytest.approx(1000 / (24 + 30))
    assert coded.computing_mj == pytest.approx(1.5 * (24 + 30))
    assert coded.waiting_mj == pytest.approx(0.5 * (18 + 20))
    by_work = row(planned(small, powered(), measured=measured), "first")
    assert by_work.computing_mj == pytest.approx(48)
    tables = planned(small, powered(), measured=measured).tables()
    text = " ".join(part for part in tables if isinstance(part, str))
    assert "with the time of coding, as it was measured: 1 of 6 rows" in text
