"""Sensors are found in a fake tree, in order, and say joules or watts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sensor_trees import FULL, battery, jetson, rapl, write

from splittool.benchmark.doctor import power_check
from splittool.benchmark.power_sensors import PowerSensor, find_power_sensor, list_power_sensors
from splittool.errors import DeviceError


def found(sysfs: Path) -> PowerSensor:
    sensor = find_power_sensor(sysfs)
    assert sensor is not None
    return sensor


def test_no_sensor_at_all(tmp_path: Path) -> None:
    assert find_power_sensor(tmp_path) is None
    assert list_power_sensors(tmp_path) == []
    check = power_check(tmp_path)
    assert (check.present, check.detail[:4]) == (False, "none")


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    rapl(tmp_path, 0, "package-0", 1_000_000)
    rapl(tmp_path, 1, "package-1", 2_500_000)
    write(tmp_path, "class/powercap/intel-rapl:0:0", name="core", energy_uj=7)
    sensor = found(tmp_path)
    assert (sensor.name, sensor.covers, sensor.unit) == (
        "intel-rapl:0 + intel-rapl:1",
        "package-0 + package-1",
        "J",
    )
    assert sensor.read() == pytest.approx([1.0, 2.5])
    assert sensor.gauges[0].range == pytest.approx(FULL / 1e6)
    assert power_check(tmp_path).detail == f"{sensor.name}, of package-0 + package-1"


def test_the_platform_goes_before_the_packages(tmp_path: Path) -> None:
    rapl(tmp_path, 0)
    rapl(tmp_path, 1, "psys", 9_000_000)
    assert (found(tmp_path).covers, found(tmp_path).read()) == ("psys", pytest.approx([9.0]))


def test_the_rail_that_feeds_the_board_counts_alone(tmp_path: Path) -> None:
    jetson(tmp_path)
    sensor = found(tmp_path)
    assert (sensor.name, sensor.covers, sensor.unit) == ("ina3221", "VDD_IN", "W")
    assert sensor.read() == pytest.approx([2.0])


def test_other_rails_are_added(tmp_path: Path) -> None:
    folder = jetson(tmp_path)
    (folder / "in1_label").write_text("VDD_GPU_SOC\n")
    sensor = found(tmp_path)
    assert sensor.covers == "VDD_GPU_SOC + VDD_CPU_GPU_CV + VDD_SOC"
    assert sum(sensor.read()) == pytest.approx(2.75)


def hwmon_power(sysfs: Path) -> None:
    write(sysfs, "class/hwmon/hwmon0", name="ina226", power1_input=1_500_000, curr1_input=1)


def hwmon_average(sysfs: Path) -> None:
    write(sysfs, "class/hwmon/hwmon0", name="power_meter", power1_average=1_500_000)


def old_jetson(sysfs: Path) -> None:
    write(
        sysfs,
        "bus/iio/devices/iio:device0",
        name="ina3221x",
        rail_name_0="POM_5V_IN",
        in_power0_input=1500,
        rail_name_1="POM_5V_GPU",
        in_power1_input=200,
    )


@pytest.mark.parametrize("make", [hwmon_power, hwmon_average, old_jetson])
def test_other_kinds_of_power(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path)
    assert found(tmp_path).unit == "W"
    assert found(tmp_path).read() == pytest.approx([1.5])


def test_sockets_are_not_counted_beside_their_cores(tmp_path: Path) -> None:
    write(
        tmp_path,
        "class/hwmon/hwmon0",
        name="amd_energy",
        energy1_input=1_000_000,
        energy1_label="Ecore000",
        energy2_input=3_000_000,
        energy2_label="Esocket0",
    )
    assert (found(tmp_path).covers, found(tmp_path).read()) == ("Esocket0", pytest.approx([3.0]))


@pytest.mark.parametrize(
    "files", [{"power_now": 9_000_000}, {"current_now": -750_000, "voltage_now": 12_000_000}]
)
def test_a_battery_while_it_discharges(files: dict[str, int], tmp_path: Path) -> None:
    folder = battery(tmp_path, **files)
    sensor = found(tmp_path)
    assert (sensor.name, sensor.covers) == ("BAT0", "the whole machine")
    assert sensor.read() == pytest.approx([9.0])
    (folder / "status").write_text("Charging\n")
    with pytest.raises(DeviceError, match="BAT0 does not discharge; unplug the machine"):
        find_power_sensor(tmp_path)


def test_the_battery_of_a_mouse_is_none(tmp_path: Path) -> None:
    folder = battery(tmp_path)
    (folder / "scope").write_text("Device\n")
    assert "BAT0" not in [s.name for s in list_power_sensors(tmp_path) if s.status]


def test_the_best_sensor_comes_first(tmp_path: Path) -> None:
    battery(tmp_path)
    rapl(tmp_path)
    hwmon_power(tmp_path)
    jetson(tmp_path)
    names = [sensor.name for sensor in list_power_sensors(tmp_path)]
    assert names == ["ina3221", "intel-rapl:0", "ina226", "BAT0"]


def test_what_only_root_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since 2020 that is the rule for RAPL counters; another sensor takes its place."""
    folder = rapl(tmp_path)
    plain = Path.read_text

    def read_text(self: Path) -> str:
        if self == folder / "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return plain(self)

    monkeypatch.setattr(Path, "read_text", read_text)
    with pytest.raises(DeviceError, match=r"energy_uj may be read by root only; .*chmod a\+r"):
        find_power_sensor(tmp_path)
    assert "root only" in power_check(tmp_path).detail
    battery(tmp_path)
    assert found(tmp_path).name == "BAT0"


def test_a_sensor_that_says_no_number(tmp_path: Path) -> None:
    (rapl(tmp_path) / "energy_uj").write_text("out of order\n")
    with pytest.raises(DeviceError, match="intel-rapl:0 cannot be read: invalid literal"):
        find_power_sensor(tmp_path)
