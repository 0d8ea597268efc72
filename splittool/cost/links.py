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
_LEAST, _MOST = 1e-6, 1e9  # a bit and a petabit per second: what is beyond is no link
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
    mbps = float(rate[1]) * _UNITS[rate[2].lower()] if rate else 0.0
    if not _LEAST <= mbps <= _MOST:
        raise UsageError(
            f"unknown link {text[:40]!r}; give a rate such as 100Mbps, or one of:"
            f" {', '.join(LINKS)}"
        )
    return text, mbps
