"""Quantities of energy as people write them: radios, energy of computing, power, batteries."""

import re
from pathlib import Path
from typing import NamedTuple

from splittool.errors import UsageError

_NUMBER = r"(\d+(?:\.\d+)?)\s*"
_MILLI = {"m": 1.0, "": 1e3, "k": 1e6}  # thousandths of a unit, by its prefix
_LARGEST = 1e9  # of anything here; more is a slip of the keyboard


class Radio(NamedTuple):
    """Power of a radio while it sends: mW = slope x throughput in Mbit/s + base.

    Attributes:
        name: Its name, or the text it was read from.
        mw_per_mbps: Milliwatts that each Mbit/s of uplink adds.
        base_mw: Milliwatts as soon as it sends anything.
        source: Where the figures come from; empty where they were given.
    """

    name: str
    mw_per_mbps: float
    base_mw: float
    source: str = ""

    def __str__(self) -> str:
        """As it is written: wifi."""
        return self.name


_HUANG = (
    "Huang et al., A Close Examination of Performance and Power Characteristics of 4G LTE"
    " Networks, MobiSys 2012, table 4: a smartphone"
)
_NARAYANAN = (
    "line through the uplink data published with Narayanan et al., A Variegated Look at 5G in the"
    " Wild, SIGCOMM 2021, fig. 11 (artifact, MN-Transfer, Verizon, non-standalone): power of the"
    " whole smartphone"
)

# A device sends on the uplink, so these are the slopes of uplinks. The two of 5G are rough: lines
# through five and nine rates, at which the mean power was estimated from a part of the published
# readings, not fitted to all of them.
RADIOS = {
    radio.name: radio
    for radio in (
        Radio("wifi", 283.17, 132.86, _HUANG),
        Radio("lte", 438.39, 1288.04, _HUANG),
        Radio("3g", 868.98, 817.88, _HUANG),
        Radio("5g-low-band", 29.0, 3200.0, _NARAYANAN + ", 1 to 40 Mbit/s"),
        Radio("5g-mmwave", 9.3, 5500.0, _NARAYANAN + ", 1 to 190 Mbit/s"),
    )
}


class EdgeEnergy(NamedTuple):
    """What computing costs the device: energy for work, power for time, or a report that says it.

    Attributes:
        given: The text it was read from.
        joules_per_gflop: Energy of 10^9 floating-point operations.
        watts: Power of the device while it computes.
        report: The file of a `bench-vpu` report with measured joules.
    """

    given: str
    joules_per_gflop: float | None = None
    watts: float | None = None
    report: Path | None = None

    def __str__(self) -> str:
        """As it is written: 0.02J/GFLOP."""
        return self.given


def parse_radio(text: str | Radio) -> Radio:
    """Read a radio's name, or its power while sending such as 283mW/Mbps+133mW.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(text, Radio):
        return text
    if text in RADIOS:
        return RADIOS[text]
    power = re.fullmatch(
        rf"{_NUMBER}(m?)W/Mbps\s*\+\s*{_NUMBER}(m?)W", text.strip(), re.ASCII | re.IGNORECASE
    )
    if power:
        slope, base = (
            float(number) * _MILLI[unit.lower()]
            for number, unit in (power.group(1, 2), power.group(3, 4))
        )
        if 0 < slope + base <= _LARGEST:
            return Radio(text.strip(), slope, base)
    raise UsageError(
        f"{text[:40]!r} is not a known radio; give its power such as 283mW/Mbps+133mW, or one of:"
        f" {', '.join(RADIOS)}"
    )


def parse_edge_energy(text: str | Path | EdgeEnergy) -> EdgeEnergy:
    """Read the energy of computing: 0.02J/GFLOP, 1.5W, or the name of a bench-vpu report.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(text, EdgeEnergy):
        return text
    given = str(text).strip()
    if Path(given).suffix == ".json":
        return EdgeEnergy(given, report=Path(given))
    joules = _thousandths(given, "J/GFLOP")
    if joules:
        return EdgeEnergy(given, joules_per_gflop=joules / 1e3)
    milliwatts = _thousandths(given, "W")
    if milliwatts:
        return EdgeEnergy(given, watts=milliwatts / 1e3)
    raise UsageError(
        f"{given[:40]!r} is not an energy of computing; give joules for work such as 0.02J/GFLOP,"
        " power while computing such as 1.5W, or the .json report of bench-vpu"
    )


def parse_watts(text: str | float) -> float:
    """Read a power such as 1.5W or 900mW; a number is one of watts.

    Returns:
        Watts.

    Raises:
        UsageError: It is not a power above 0.
    """
    return _quantity(text, "W", "a power; give one such as 1.5W or 900mW", 1e3)


def parse_millijoules(text: str | float) -> float:
    """Read an energy such as 50mJ or 0.05J; a number is one of millijoules.

    Returns:
        Millijoules.

    Raises:
        UsageError: It is not an energy above 0.
    """
    return _quantity(text, "J", "an energy; give one such as 50mJ or 0.05J", 1.0)


def parse_watt_hours(text: str | float) -> float:
    """Read what a battery holds, such as 10Wh; a number is one of watt-hours.

    Returns:
        Watt-hours.

    Raises:
        UsageError: It is not an energy above 0.
    """
    return _quantity(text, "Wh", "what a battery holds; give watt-hours such as 10Wh", 1e3)


def _quantity(text: str | float, unit: str, wanted: str, scale: float) -> float:
    """A quantity as a number of `scale` thousandths of its unit."""
    value = _thousandths(text.strip(), unit) / scale if isinstance(text, str) else float(text)
    if not 0 < value <= _LARGEST:
        raise UsageError(f"{str(text)[:40]!r} is not {wanted}")
    return value


def _thousandths(text: str, unit: str) -> float:
    """Thousandths of a unit; 0 where the text is not a quantity of it."""
    found = re.fullmatch(_NUMBER + f"([mk]?){unit}", text, re.ASCII)
    value = float(found[1]) * _MILLI[found[2]] if found else 0.0
    return value if value <= _LARGEST else 0.0
