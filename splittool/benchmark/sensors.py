"""What the host says about itself while something is measured."""

from pathlib import Path
from typing import Any

import psutil


def hottest() -> tuple[str, float] | None:
    """The sensor with the highest temperature, and its degrees Celsius; None without sensors."""
    read: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    readings = [
        (f"{chip} {sensor.label}".strip(), float(sensor.current))
        for chip, sensors in read.items()
        for sensor in sensors
    ]
    return max(readings, key=lambda reading: reading[1], default=None)


def resident_bytes(pid: int | None = None) -> int:
    """Memory of a process; of this one by default."""
    return int(psutil.Process(pid).memory_info().rss)


def throttle_events() -> int | None:
    """How often the processor was slowed down for its heat, since start-up; None if unsaid."""
    counters = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [int(counter.read_text()) for counter in counters]
    return sum(counts) if counts else None
