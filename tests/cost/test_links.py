import pytest

from splittool.cost.links import DEFAULT_LINKS, LINKS, parse_link
from splittool.errors import UsageError


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100Mbps", 100),
        ("100mbps", 100),
        ("2.5Gbit/s", 2500),
        ("500kbps", 0.5),
        ("1Gb/s", 1000),
        ("1GBit/s", 1000),
        ("20 Mbit/s", 20),
        (" 20Mbps ", 20),
        ("0.5Mbps", 0.5),
    ],
)
def test_rates(text: str, rate: float) -> None:
    assert parse_link(text) == (text, pytest.approx(rate))


@pytest.mark.parametrize("name", LINKS)
def test_links_by_name(name: str) -> None:
    assert parse_link(name) == (name, LINKS[name])


def test_the_default_is_the_papers_link_in_both_directions() -> None:
    assert [LINKS[name] for name in DEFAULT_LINKS] == [500, 1000]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "100",
        "Mbps",
        "100MB/s",
        "100MBps",
        "-1Mbps",
        "1e3Mbps",
        "0Mbps",
        "0." + "0" * 300 + "1Mbps",
        "9" * 400 + "Mbps",
        "0.0kbps",
        "nanMbps",
        "infMbps",
        ".5Mbps",
        "1.Mbps",
        "\uff11Mbps",
        "wifi",
        "100Mbps100Mbps",
        "Indoor-Hotspot-Up",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="unknown link"):
        parse_link(text)
