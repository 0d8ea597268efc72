"""Servers and Mbit/s for many devices.

Devices x FPS frames arrive in a second. Each takes the time of the tail and of decoding, so that
servers = frames per second x that time, and Mbit/s = frames per second x 8 x bytes / 10^6.
"""

from math import ceil

from splittool.reports import FleetRecord, PlanRow


def fleet(row: PlanRow, devices: int, fps: float) -> FleetRecord:
    """What devices need that send as one row of a plan does.

    Args:
        row: The row.
        devices: How many there are.
        fps: Frames per second of each of them.
    """
    frames = devices * fps
    busy_s = ((row.tail_busy_ms or 0.0) + (row.decode_ms or 0.0)) / 1e3
    busy_servers = frames * busy_s
    return FleetRecord(
        devices=devices,
        fps=fps,
        frames_per_second=frames,
        server_fps=1 / busy_s if busy_s else None,
        busy_servers=busy_servers,
        servers=ceil(busy_servers),
        mbps=frames * row.payload_bytes * 8e-6,
    )
