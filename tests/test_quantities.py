import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splittool.errors import UsageError
from splittool.quantities import (
    LINKS,
    Compute,
    Link,
    QualityRange,
    Size,
    parse_compute,
    parse_link,
    parse_milliseconds,
    parse_numbers,
    parse_quality_range,
    parse_size,
    parse_words,
    require_positive,
)


@given(st.integers(1, 65536), st.integers(1, 65536))
def test_a_size_reads_what_it_writes(height: int, width: int) -> None:
    size = parse_size(f"{height}x{width}")
    assert size == (height, width)
    assert parse_size(str(size)) == parse_size(size) == parse_size((height, width)) == size


@pytest.mark.parametrize("text", ["64X96", "64 x 96", " 64x96 "])
def test_sizes_in_other_hands(text: str) -> None:
    assert parse_size(text) == Size(64, 96)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "256",
        "256x",
        "x256",
        "256x1600x3",
        "-1x5",
        "1.5x2",
        "0x5",
        "\uff12x\uff12",
        "65537x1",
        "9" * 5000 + "x1",
        (0, 5),
        (-1, 5),
    ],
)
def test_other_sizes_are_refused(text: Any) -> None:
    with pytest.raises(UsageError, match=r"not a size|out of range"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "numbers"), [("8,4", (8, 4)), (" 8 , 4,", (8, 4)), ("16", (16,)), ((2, 3), (2, 3))]
)
def test_lists_of_numbers(text: Any, numbers: tuple[int, ...]) -> None:
    assert parse_numbers(text) == numbers


@pytest.mark.parametrize("text", ["", ",", "8;4", "8,four", "-1", "1.5", "\uff18"])
def test_other_lists_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a list of numbers"):
        parse_numbers(text)


def test_lists_of_words() -> None:
    assert parse_words(" jpeg, png,") == parse_words(("jpeg", "png")) == ("jpeg", "png")
    for text in ("", " , "):
        with pytest.raises(UsageError, match="empty list"):
            parse_words(text)


def test_ranges_of_qualities() -> None:
    assert parse_quality_range("5-95") == parse_quality_range((5, 95)) == QualityRange(5, 95)
    assert str(parse_quality_range("7-7")) == "7-7"
    for text in ("", "5", "95-5", "0-5", "5-101", "5-95-99", "a-b", "-5-95", "9" * 5000 + "-5"):
        with pytest.raises(UsageError, match="not a range of qualities"):
            parse_quality_range(text)


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
def test_rates_of_links(text: str, rate: float) -> None:
    assert parse_link(text) == (text, pytest.approx(rate))


@pytest.mark.parametrize("name", LINKS)
def test_links_by_name(name: str) -> None:
    assert parse_link(name) == (name, LINKS[name])


def test_links_by_number() -> None:
    assert parse_link(12.34567891) == ("12.3457Mbps", 12.34567891)
    assert parse_link(parse_link("1Gbps")) == Link("1Gbps", 1000)


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
        0,
        -1.0,
        math.nan,
        math.inf,
    ],
)
def test_other_links_are_refused(text: Any) -> None:
    with pytest.raises(UsageError, match="not a known link"):
        parse_link(text)


@pytest.mark.parametrize(
    ("text", "gflops"),
    [
        ("100GFLOPS", 100),
        ("5TFLOPS", 5000),
        ("2.5 TFLOP/s", 2500),
        ("1PFLOPs", 1e6),
        ("300MFLOPS", 0.3),
        (7.5, 7.5),
    ],
)
def test_compute_rates(text: Any, gflops: float) -> None:
    compute = parse_compute(text)
    assert compute.gflops_per_second == pytest.approx(gflops)
    assert compute.report is None
    assert parse_compute(compute) is compute


@pytest.mark.parametrize("text", ["bench.json", Path("bench.json")])
def test_a_compute_rate_of_a_report(text: Any) -> None:
    assert parse_compute(text) == Compute("bench.json", report=Path("bench.json"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0GFLOPS",
        "-5GFLOPS",
        "100",
        "100GB",
        "100gflops",
        "fast",
        "1e3GFLOPS",
        "x.xml",
        "9" * 400 + "GFLOPS",
        0,
        math.nan,
        math.inf,
    ],
)
def test_other_compute_rates_are_refused(text: Any) -> None:
    with pytest.raises(UsageError, match="not a compute rate; give one such as 100GFLOPS"):
        parse_compute(text)


@pytest.mark.parametrize(
    ("text", "value"), [("10ms", 10), ("0.5s", 500), ("200us", 0.2), ("0ms", 0), (2.5, 2.5)]
)
def test_times(text: Any, value: float) -> None:
    assert parse_milliseconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "10", "-1ms", "1h", "ms", "99999s", -1, math.nan])
def test_other_times_are_refused(text: Any) -> None:
    with pytest.raises(UsageError, match="not a time"):
        parse_milliseconds(text)


def test_numbers_above_zero() -> None:
    require_positive(0.1, "fps")
    require_positive(None, "fps")
    for value in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match=r"fps .* is out of range; give a number above 0"):
            require_positive(value, "fps")
