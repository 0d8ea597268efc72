"""Quantities as people write them: sizes, lists of numbers, links, compute rates, times.

Each parser takes text, or a value that it has returned, so that it serves as the `parser` of a
command's option with a default, and the library's functions can take either. All of them raise
`UsageError` with the text at fault and an example of what to write.
"""

import re
from pathlib import Path
from typing import NamedTuple

from splittool.errors import UsageError

# User experienced data rates of 3GPP TS 22.261, table 7.1-1, in Mbit/s. A device sends on the
# uplink; the paper compares its bitrates with the downlink of the indoor hotspot.
LINKS = {
    "indoor-hotspot-up": 500.0,
    "indoor-hotspot-down": 1000.0,
    "urban-macro-up": 25.0,
    "urban-macro-down": 50.0,
    "rural-macro-up": 25.0,
    "rural-macro-down": 50.0,
    "dense-urban-up": 50.0,
    "dense-urban-down": 300.0,
}

_MEGABITS = {"k": 1e-3, "m": 1.0, "g": 1e3}
_LEAST_MBPS, _MOST_MBPS = 1e-6, 1e9  # one bit and one petabit per second
_GIGAFLOPS = {"k": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3, "P": 1e6}
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_DAY_MS = 86_400_000.0
_NUMBER = r"(\d+(?:\.\d+)?)\s*"


class Size(NamedTuple):
    """Height and width of an image, in pixels."""

    height: int
    width: int

    def __str__(self) -> str:
        """As it is written: 256x1600."""
        return f"{self.height}x{self.width}"


class QualityRange(NamedTuple):
    """The lowest and the highest quality of a lossy image format, 1 to 100."""

    low: int
    high: int

    def __str__(self) -> str:
        """As it is written: 5-95."""
        return f"{self.low}-{self.high}"


class Link(NamedTuple):
    """A link's name, or its rate as given, and its rate in Mbit/s (10^6 bits per second)."""

    name: str
    mbps: float

    def __str__(self) -> str:
        """As it is written: 100Mbps."""
        return self.name


class Compute(NamedTuple):
    """How fast a side computes: a rate in GFLOPS, or the report of a benchmark that says it.

    Attributes:
        given: The text it was read from.
        gflops_per_second: The rate; None where a report says it.
        report: The file of a `bench-vpu` report.
    """

    given: str
    gflops_per_second: float | None = None
    report: Path | None = None

    def __str__(self) -> str:
        """As it is written: 100GFLOPS."""
        return self.given


def parse_size(text: str | tuple[int, int]) -> Size:
    """Read a size such as 256x1600: height, then width.

    Raises:
        UsageError: It is not two numbers from 1 to 65536.
    """
    if isinstance(text, tuple):
        text = str(Size(*text))
    numbers = [_whole(part) for part in text.lower().split("x")]
    if len(numbers) != 2 or None in numbers:
        raise UsageError(f"{text!r} is not a size; write height x width, as in 256x1600")
    height, width = (number or 0 for number in numbers)
    if not (0 < height <= 65536 and 0 < width <= 65536):
        raise UsageError(f"{text!r} is out of range; height and width go from 1 to 65536")
    return Size(height, width)


def parse_numbers(text: "str | tuple[int, ...]") -> tuple[int, ...]:
    """Read a list of whole numbers such as 8,4.

    Raises:
        UsageError: It is empty, or a part of it is not a whole number.
    """
    if isinstance(text, tuple):
        return text
    found = [_whole(word) for word in text.split(",") if word.strip()]
    numbers = tuple(number for number in found if number is not None)
    if not numbers or len(numbers) < len(found):
        raise UsageError(f"{text!r} is not a list of numbers; write them as in 8,4")
    return numbers


def parse_words(text: "str | tuple[str, ...]") -> tuple[str, ...]:
    """Read a list of words such as jpeg,png.

    Raises:
        UsageError: It is empty.
    """
    words = tuple(word.strip() for word in (text.split(",") if isinstance(text, str) else text))
    found = tuple(word for word in words if word)
    if not found:
        raise UsageError(f"{text!r} is an empty list; write words as in jpeg,png")
    return found


def parse_quality_range(text: str | tuple[int, int]) -> QualityRange:
    """Read a range of image qualities such as 5-95.

    Raises:
        UsageError: It is not two numbers from 1 to 100, the lower one first.
    """
    if isinstance(text, tuple):
        text = str(QualityRange(*text))
    numbers = [_whole(part) or 0 for part in text.split("-")]
    if len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1] <= 100:
        raise UsageError(f"{text!r} is not a range of qualities from 1 to 100; write it as in 5-95")
    return QualityRange(*numbers)


def parse_link(text: str | float | Link) -> Link:
    """Read a link's name, or a rate such as 100Mbps, 2.5Gbit/s or 500kbps.

    Args:
        text: One of these, or a number of Mbit/s.

    Raises:
        UsageError: It is neither, or no link has such a rate.
    """
    if isinstance(text, Link):
        return text
    if isinstance(text, str):
        name, mbps = text, LINKS.get(text) or _read_mbps(text)
    else:
        name, mbps = f"{text:g}Mbps", float(text)
    if not _LEAST_MBPS <= mbps <= _MOST_MBPS:
        raise UsageError(
            f"{name[:40]!r} is not a known link; give a rate such as 100Mbps, or one of:"
            f" {', '.join(LINKS)}"
        )
    return Link(name, mbps)


def _read_mbps(text: str) -> float:
    """Mbit/s of a rate with its unit; 0 where the text is not one."""
    # A capital B, except in Bit, would mean bytes.
    rate = re.fullmatch(_NUMBER + r"([kmgKMG])(?:bps|[bB]it/s|b/s)", text.strip(), re.ASCII)
    return float(rate[1]) * _MEGABITS[rate[2].lower()] if rate else 0.0


def parse_compute(text: str | float | Path | Compute) -> Compute:
    """Read a compute rate such as 100GFLOPS, or the name of a bench-vpu report.

    Args:
        text: One of these, or a number of GFLOPS.

    Raises:
        UsageError: It is neither a rate above 0 nor the name of a .json file.
    """
    if isinstance(text, Compute):
        return text
    given = f"{text:g}GFLOPS" if isinstance(text, int | float) else str(text)
    if Path(given).suffix == ".json":
        return Compute(given, report=Path(given))
    rate = float(text) if isinstance(text, int | float) else _read_gflops(given)
    if not 0 < rate < float("inf"):
        raise UsageError(
            f"{given[:40]!r} is not a compute rate; give one such as 100GFLOPS or 5TFLOPS, or the"
            " .json report of bench-vpu"
        )
    return Compute(given, gflops_per_second=rate)


def _read_gflops(text: str) -> float:
    """GFLOPS of a rate with its unit; 0 where the text is not one."""
    rate = re.fullmatch(_NUMBER + r"([kMGTP])FLOP(?:S|s|/s)", text.strip(), re.ASCII)
    return float(rate[1]) * _GIGAFLOPS[rate[2]] if rate else 0.0


def parse_milliseconds(text: str | float) -> float:
    """Read a time such as 10ms, 0.5s or 200us.

    Args:
        text: The time, or a number of milliseconds.

    Returns:
        Milliseconds.

    Raises:
        UsageError: It is not a time from 0 to a day.
    """
    if isinstance(text, str):
        time = re.fullmatch(_NUMBER + "(us|ms|s)", text.strip(), re.ASCII)
        value = float(time[1]) * _MILLISECONDS[time[2]] if time else float("inf")
    else:
        value = float(text)
    if not 0 <= value <= _DAY_MS:
        raise UsageError(f"{str(text)[:40]!r} is not a time; give one such as 10ms, 0.5s or 200us")
    return value


def require_positive(value: float | None, name: str) -> None:
    """Refuse a number that is not above 0; None stands for one that was not given.

    Args:
        value: The number.
        name: What to call it in the message.

    Raises:
        UsageError: It is 0, negative, infinite or not a number.
    """
    if value is not None and not 0 < value < float("inf"):
        raise UsageError(f"{name} {value:g} is out of range; give a number above 0")


def _whole(text: str) -> int | None:
    """A whole number written in digits; one of more than nine digits as a number too large."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if len(digits) <= 9 else 10**9
