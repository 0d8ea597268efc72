"""Sensors of power and energy that Linux shows in /sys: which there are, and what they say.

Where there are several, one that sees the whole board or machine goes before one that sees the
processor alone, and a battery, which is slow, comes last:

* hwmon: `energy*_input` and `power*_input` (or `power*_average`) of any chip, and voltage times
  current, `in*_input` x `curr*_input`, of INA3221 and its like, as Jetson boards have them. Of
  several rails the one that feeds the board counts alone, others are added.
* IIO: `in_power*_input` of the INA3221 of older Jetson boards.
* powercap: RAPL counters of Intel and AMD processors (Documentation/power/powercap).
* power_supply: batteries, while they discharge.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from splittool.errors import DeviceError

SYSFS = Path("/sys")

_BOARD = re.compile(r"(^|_)IN$")  # VDD_IN, POM_5V_IN: the rail that feeds a Jetson board
_MICRO = 1e-6


@dataclass(frozen=True)
class Gauge:
    """One number of a sensor: the product of its files, in joules or watts.

    Attributes:
        files: The files to read.
        scale: Joules or watts of 1.
        range: Where a counter starts again; None where nothing says so.
    """

    files: tuple[Path, ...]
    scale: float
    range: float | None = None

    def read(self) -> float:
        """What it says now.

        Raises:
            OSError: It cannot be read.
            ValueError: It does not say a number.
        """
        return prod(abs(int(file.read_text())) for file in self.files) * self.scale


@dataclass(frozen=True)
class PowerSensor:
    """What measures power or counts energy.

    Attributes:
        name: Its name in the system.
        covers: Whose power it is.
        unit: J of a counter, W of power.
        gauges: Its parts, to be added.
        status: The file that says that a battery discharges; None for other sensors.
    """

    name: str
    covers: str
    unit: Literal["J", "W"]
    gauges: tuple[Gauge, ...]
    status: Path | None = None

    def read(self) -> list[float]:
        """Joules or watts of each part.

        Raises:
            DeviceError: It may not be read, cannot be read or does not mean anything now.
        """
        try:
            if self.status is not None and self.status.read_text().strip() != "Discharging":
                raise DeviceError(f"{self.name} does not discharge; unplug the machine")
            return [gauge.read() for gauge in self.gauges]
        except PermissionError as error:
            raise DeviceError(
                f"{error.filename} may be read by root only; as root: chmod a+r {error.filename}"
            ) from None
        except (OSError, ValueError) as error:
            raise DeviceError(f"{self.name} cannot be read: {error}") from None


def find_power_sensor(sysfs: Path = SYSFS) -> PowerSensor | None:
    """The sensor to measure with.

    Args:
        sysfs: Where the system shows its devices.

    Returns:
        The best sensor that can be read; None where there is none at all.

    Raises:
        DeviceError: There are sensors, and none can be read; the message has the first reason.
    """
    refused = None
    for sensor in list_power_sensors(sysfs):
        try:
            sensor.read()
        except DeviceError as error:
            refused = refused or error
        else:
            return sensor
    if refused is not None:
        raise refused
    return None


def list_power_sensors(sysfs: Path = SYSFS) -> list[PowerSensor]:
    """Every sensor of the system, the best first, whether it can be read or not."""
    rapl, batteries = list(_rapl(sysfs)), list(_batteries(sysfs))
    names = {battery.name for battery in batteries}  # hwmon shows these once more
    chips = [sensor for sensor in (*_hwmon(sysfs), *_iio(sysfs)) if sensor.name not in names]
    order: list[Callable[[PowerSensor], bool]] = [
        lambda sensor: bool(_BOARD.search(sensor.covers)),
        lambda sensor: sensor.covers == "psys" or sensor.name == "power_meter",
        lambda sensor: sensor in rapl,
        lambda sensor: sensor in chips,
    ]

    def place(sensor: PowerSensor) -> int:
        return next((n for n, belongs in enumerate(order) if belongs(sensor)), len(order))

    return sorted([*chips, *rapl, *batteries], key=place)


def _rapl(sysfs: Path) -> Iterator[PowerSensor]:
    """The whole platform, where a counter has it, and all packages of processors together."""
    zones: dict[str, list[Path]] = {"psys": [], "package": []}
    for folder in sorted((sysfs / "class/powercap").glob("*-rapl:*")):
        if folder.name.count(":") > 1 or not (folder / "energy_uj").exists():
            continue  # a part of a zone, which has it already
        name = _text(folder / "name") or folder.name
        zones["psys" if name == "psys" else "package"].append(folder)
    for kind, folders in zones.items():
        if folders:
            gauges = [_rapl_gauge(folder) for folder in folders]
            covers = [_text(folder / "name") or folder.name for folder in folders]
            names = " + ".join(folder.name for folder in folders)
            shown = kind if kind == "psys" else " + ".join(covers)
            yield PowerSensor(names, shown, "J", tuple(gauges))


def _rapl_gauge(folder: Path) -> Gauge:
    most = _text(folder / "max_energy_range_uj")
    limit = int(most) * _MICRO if most.isdecimal() else None
    return Gauge((folder / "energy_uj",), _MICRO, limit)


def _hwmon(sysfs: Path) -> Iterator[PowerSensor]:
    for folder in sorted((sysfs / "class/hwmon").glob("hwmon*")):
        name = _text(folder / "name") or folder.name
        energies = _numbered(folder, "energy", "input")
        powers = _numbered(folder, "power", "input") or _numbered(folder, "power", "average")
        if energies:
            sockets = [rail for rail in energies if rail[0].startswith("Esocket")]
            yield _sensor(name, "J", sockets or energies)
        elif powers:
            yield _sensor(name, "W", powers)
        elif products := _voltage_times_current(folder):
            yield _sensor(name, "W", products)


_Rail = tuple[str, Gauge]  # whose power it is, and how to read it


def _numbered(folder: Path, kind: str, what: str) -> list[_Rail]:
    """Rails of a chip by number, in millionths."""
    rails = []
    for file in sorted(folder.glob(f"{kind}[0-9]*_{what}")):
        label = _text(folder / file.name.replace(f"_{what}", "_label"))
        rails.append((label or file.name.removesuffix(f"_{what}"), Gauge((file,), _MICRO)))
    return rails


def _voltage_times_current(folder: Path) -> list[_Rail]:
    """Rails whose voltage and current have one number: millivolts times milliamperes."""
    rails = []
    for current in sorted(folder.glob("curr[0-9]*_input")):
        number = current.name.removeprefix("curr").removesuffix("_input")
        voltage = folder / f"in{number}_input"
        if voltage.exists():
            label = _text(folder / f"in{number}_label") or _text(folder / f"curr{number}_label")
            rails.append((label or f"channel {number}", Gauge((voltage, current), _MICRO)))
    return rails


def _iio(sysfs: Path) -> Iterator[PowerSensor]:
    for folder in sorted((sysfs / "bus/iio/devices").glob("iio:device*")):
        rails = []
        for file in sorted(folder.glob("in_power[0-9]*_input")):
            number = file.name.removeprefix("in_power").removesuffix("_input")
            label = _text(folder / f"rail_name_{number}") or f"channel {number}"
            rails.append((label, Gauge((file,), 1e-3)))
        if rails:
            yield _sensor(_text(folder / "name") or folder.name, "W", rails)


def _sensor(name: str, unit: Literal["J", "W"], rails: Sequence[_Rail]) -> PowerSensor:
    """The rail that feeds the board, or all rails of a chip together."""
    board = [rail for rail in rails if _BOARD.search(rail[0])]
    used = board[:1] or rails
    covers = " + ".join(label for label, _ in used)
    return PowerSensor(name, covers, unit, tuple(gauge for _, gauge in used))


def _batteries(sysfs: Path) -> Iterator[PowerSensor]:
    for folder in sorted((sysfs / "class/power_supply").glob("*")):
        if _text(folder / "type") != "Battery" or _text(folder / "scope") == "Device":
            continue  # a charger; the battery of a mouse
        power = Gauge((folder / "power_now",), _MICRO)
        if not (folder / "power_now").exists():
            power = Gauge((folder / "current_now", folder / "voltage_now"), _MICRO**2)
        if power.files[0].exists():
            covers = "the whole machine"
            yield PowerSensor(folder.name, covers, "W", (power,), folder / "status")


def _text(file: Path) -> str:
    """A line of text; empty where it is not there or cannot be read."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
