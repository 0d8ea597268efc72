"""Energy from readings of a fake sensor, and in the report of a benchmark."""

from pathlib import Path

import pytest
from sensor_trees import FULL, jetson, rapl

from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.power import PowerMeter
from splittool.benchmark.power_sensors import find_power_sensor
from splittool.benchmark.run import bench
from splittool.errors import DeviceError
from splittool.reports import BenchReport, BenchSetReport, PowerRecord

CPU = DeviceOptions("CPU", "f32", "latency")


def meter(sysfs: Path) -> PowerMeter:
    """A meter whose thread does not run: tests read at moments of their own."""
    sensor = find_power_sensor(sysfs)
    assert sensor is not None
    return PowerMeter(sensor)


def test_a_counter_counts_by_difference(tmp_path: Path) -> None:
    file = rapl(tmp_path, energy=10_000_000) / "energy_uj"
    found = meter(tmp_path)
    for now, energy in ((0.0, 10_000_000), (1.0, 12_000_000), (2.0, 12_000_061), (3.0, 15_000_000)):
        file.write_text(str(energy))
        found.read(now)
    assert found.between(0, 3) == pytest.approx(5.0)
    assert found.between(0.5, 1) == pytest.approx(1.0)  # between readings in proportion to time
    assert found.resolution == pytest.approx(61e-6)
    assert found.readings == 4


def test_a_counter_starts_again_at_its_range(tmp_path: Path) -> None:
    file = rapl(tmp_path, energy=FULL - 1_000_000) / "energy_uj"
    found = meter(tmp_path)
    found.read(0.0)
    file.write_text("2000000")
    found.read(1.0)
    assert found.between(0, 1) == pytest.approx(3.0)


def test_a_counter_of_unknown_range_does_not_start_again(tmp_path: Path) -> None:
    folder = rapl(tmp_path)
    (folder / "max_energy_range_uj").unlink()
    found = meter(tmp_path)
    found.read(0.0)
    (folder / "energy_uj").write_text("5")
    with pytest.raises(DeviceError, match="intel-rapl:0 starts again"):
        found.read(1.0)


def test_power_holds_until_the_next_reading(tmp_path: Path) -> None:
    file = jetson(tmp_path) / "curr1_input"  # 5 V
    found = meter(tmp_path)
    for now, milliamperes in ((0.0, 400), (1.0, 1000), (3.0, 200), (4.0, 200)):
        file.write_text(str(milliamperes))
        found.read(now)
    assert found.between(0, 4) == pytest.approx(2 * 1 + 5 * 2 + 1 * 1)
    assert found.resolution == pytest.approx(3.0)


def measured(
    exported: Path, sysfs: Path, notes: list[str], warmup: float = 0.2, watts: float | None = None
) -> BenchReport:
    schedule = Schedule(0.5, warmup_s=warmup, sysfs=sysfs, watts=watts)
    report = bench(exported, options=CPU, schedule=schedule, note=notes.append)
    assert isinstance(report, BenchReport)
    return report


def test_a_benchmark_says_joules_per_frame(exported: Path, tmp_path: Path) -> None:
    jetson(tmp_path)  # 2 W all the time: nothing is left above the idle board
    report = measured(exported, tmp_path, [])
    power = report.power
    assert power is not None
    assert (power.sensor, power.covers, power.by_hand) == ("ina3221", "VDD_IN", False)
    assert power.watts == power.idle_watts == pytest.approx(2.0)
    assert power.joules_per_frame == pytest.approx(2.0 / report.fps)
    assert power.net_joules_per_frame == pytest.approx(0, abs=1e-9)
    assert power.idle_s == pytest.approx(0.2, abs=0.2)
    assert (power.unit, power.resolution) == ("W", None)
    assert power.readings
    text = " ".join(report.conditions().split())
    assert "2 W; " in text
    assert "above the idle 2 W ina3221: of VDD_IN" in text


def test_without_a_warm_up_nobody_saw_the_idle_machine(exported: Path, tmp_path: Path) -> None:
    jetson(tmp_path)
    power = measured(exported, tmp_path, [], warmup=0).power
    assert power is not None
    assert (power.idle_watts, power.net_joules_per_frame) == (None, None)


def test_without_a_sensor_there_are_no_joules(exported: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    assert measured(exported, tmp_path, notes).power is None
    assert not any("joules" in note for note in notes)


def test_a_sensor_that_cannot_be_read_is_told(exported: Path, tmp_path: Path) -> None:
    (rapl(tmp_path) / "energy_uj").write_text("broken")
    notes: list[str] = []
    assert measured(exported, tmp_path, notes).power is None
    assert [note for note in notes if "no joules" in note] == [
        "note: no joules: intel-rapl:0 cannot be read: invalid literal for int() with base 10:"
        " 'broken'"
    ]


def test_watts_by_hand_are_marked(exported: Path, tmp_path: Path) -> None:
    jetson(tmp_path)
    report = measured(exported, tmp_path, [], watts=1.5)
    assert report.power == PowerRecord(
        "by hand", "as given", 1.5, pytest.approx(1.5 / report.fps), by_hand=True
    )
    assert "at 1.5 W, by hand" in report.conditions()


def test_models_that_take_turns_have_their_own_energy(exported: Path, tmp_path: Path) -> None:
    jetson(tmp_path)
    schedule = Schedule(0.4, warmup_s=0, rounds=2, sysfs=tmp_path)
    report = bench([exported, exported], options=CPU, schedule=schedule)
    assert isinstance(report, BenchSetReport)
    for run in report.runs:
        assert run.power is not None
        assert run.power.joules_per_frame == pytest.approx(2.0 / run.fps)
