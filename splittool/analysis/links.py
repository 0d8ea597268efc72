"""Links by name, and what fits them. Rates are in Mbit/s (10^6 bits per second)."""

import re

from splittool.errors import UsageError

# User experienced data rates of 3GPP TS 22.261, table 7.1-1. A device sends on the uplink; the
# paper holds its bitrates against the downlink figure of the indoor hotspot.
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

DEFAULT_LINKS = ("indoor-hotspot-up", "indoor-hotspot-down")

_UNITS = {"k": 1e-3, "m": 1.0, "g": 1e3}
# A capital B, but for Bit, would mean bytes.
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgKMG])(?:bps|[bB]it/s|b/s)", re.ASCII)


def parse_link(text: str) -> tuple[str, float]:
    """Read a link's name, or a rate such as 100Mbps, 2.5Gbit/s or 500kbps.

    Returns:
        What to call it, and its Mbit/s.

    Raises:
        UsageError: It is neither.
    """
    if text in LINKS:
        return text, LINKS[text]
    rate = _RATE.fullmatch(text.strip())
    if not rate or float(rate[1]) == 0:
        raise UsageError(
            f"unknown link {text!r}; give a rate such as 100Mbps, or one of: {', '.join(LINKS)}"
        )
    return text, float(rate[1]) * _UNITS[rate[2].lower()]
