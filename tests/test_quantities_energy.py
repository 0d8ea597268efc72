from pathlib import Path
from typing import Any

import pytest

from splittool.errors import UsageError
from splittool.quantities.energy import (
    RADIOS,
    EdgeEnergy,
    Radio,
    parse_edge_energy,
    parse_millijoules,
    parse_radio,
    parse_watt_hours,
    parse_watts,
)


@pytest.mark.parametrize(
    ("text", "slope", "base"),
    [
        ("283mW/Mbps+133mW", 283, 133),
        ("0.283W/Mbps + 0.133W", 283, 133),
        ("283.17 mW/mbps+1W", 283.17, 1000),
        ("0mW/Mbps+5mW", 0, 5),
    ],
)
def test_a_radio_as_given(text: str, slope: float, base: float) -> None:
    radio = parse_radio(text)
    assert radio[1:3] == pytest.approx((slope, base))
    assert (radio.name, radio.source) == (text, "")
    assert parse_radio(radio) is radio
    assert str(radio) == text


def test_radios_by_name_have_the_published_figures() -> None:
    """Huang et al., table 4; the slopes of 5G by the data behind figure 11."""
    assert {name: parse_radio(name)[1:3] for name in RADIOS} == {
        "wifi": (283.17, 132.86),
        "lte": (438.39, 1288.04),
        "3g": (868.98, 817.88),
        "5g-low-band": (29.0, 3200.0),
        "5g-mmwave": (9.3, 5500.0),
    }
    assert all("MobiSys 2012" in r.source or "SIGCOMM 2021" in r.source for r in RADIOS.values())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wlan",
        "283mW/Mbps",
        "133mW",
        "283mW+133mW/Mbps",
        "-1mW/Mbps+1mW",
        "0mW/Mbps+0mW",
        "nanW/Mbps+1W",
        "9" * 400 + "W/Mbps+1W",
        "\u0661mW/Mbps+1mW",
    ],
)
def test_other_radios_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not a known radio; .* 283mW/Mbps"):
        parse_radio(text)


def test_energy_of_computing() -> None:
    assert parse_edge_energy("0.02J/GFLOP").joules_per_gflop == pytest.approx(0.02)
    assert parse_edge_energy("20 mJ/GFLOP").joules_per_gflop == pytest.approx(0.02)
    assert parse_edge_energy("1.5W") == EdgeEnergy("1.5W", watts=1.5)
    assert parse_edge_energy("900mW").watts == pytest.approx(0.9)
    assert parse_edge_energy("bench.json").report == Path("bench.json")
    assert parse_edge_energy(Path("bench.json")).report == Path("bench.json")
    given = parse_edge_energy("1.5W")
    assert parse_edge_energy(given) is given
    assert str(given) == "1.5W"


@pytest.mark.parametrize("text", ["", "0W", "1.5", "0J/GFLOP", "1J", "-1W", "1GW", "1e3W", "inf W"])
def test_other_energies_of_computing_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is not an energy of computing; .*0.02J/GFLOP"):
        parse_edge_energy(text)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_watts, "1.5W", 1.5),
        (parse_watts, "500mW", 0.5),
        (parse_watts, 2, 2.0),
        (parse_millijoules, "50mJ", 50.0),
        (parse_millijoules, "0.05J", 50.0),
        (parse_millijoules, 7.5, 7.5),
        (parse_watt_hours, "10Wh", 10.0),
        (parse_watt_hours, "0.5kWh", 500.0),
        (parse_watt_hours, 10, 10.0),
    ],
)
def test_power_energy_and_batteries(parse: Any, text: Any, value: float) -> None:
    assert parse(text) == pytest.approx(value)


@pytest.mark.parametrize("parse", [parse_watts, parse_millijoules, parse_watt_hours])
@pytest.mark.parametrize("text", ["", "0", "5", "5 parsecs", 0, -1, float("nan"), float("inf")])
def test_other_quantities_are_refused(parse: Any, text: Any) -> None:
    with pytest.raises(UsageError, match="give"):
        parse(text)


def test_a_radio_is_a_tuple_of_its_figures() -> None:
    assert Radio("x", 1, 2) == ("x", 1, 2, "")
