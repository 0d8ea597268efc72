"""Temperature, memory and throttling of this machine while something is measured."""

from pathlib import Path
from typing import Any

import psutil


def hottest() -> tuple[str, float] | None:
    """Name and degrees Celsius of the hottest sensor; None without sensors."""
    read: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    readings = [
        (f"{chip} {sensor.label}".strip(), float(sensor.current))
        for chip, sensors in read.items()
        for sensor in sensors
    ]
    return max(readings, key=lambda reading: reading[1], default=None)


def resident_bytes(pid: int | None = None) -> int:
    """Resident memory of a process, in bytes; of this process by default."""
    return int(psutil.Process(pid).memory_info().rss)


def throttle_events() -> int | None:
    """How often heat slowed the processor down since start-up; None if the system does not say."""
    counters = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [int(counter.read_text()) for counter in counters]
    return sum(counts) if counts else None
