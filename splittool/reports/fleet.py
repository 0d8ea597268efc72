"""What many devices with the same cut need in the cloud."""

import msgspec


class FleetRecord(msgspec.Struct, frozen=True):
    """Servers and rates for many devices that send as the chosen row of a plan does.

    `server_fps` are the frames that one server of the cloud's rate answers in a second, null where
    it computes nothing; `busy_servers` are kept busy the whole time, and `servers` is the next
    whole number. `mbps` is what all devices send together.
    """

    devices: int
    fps: float
    frames_per_second: float
    server_fps: float | None
    busy_servers: float
    servers: int
    mbps: float

    def shown(self, measured: str) -> str:
        """The figures in a line; `measured` says what they rest on."""
        needs = "no server computes"
        if self.server_fps is not None:
            needs = f"{self.busy_servers:.4g} servers' whole time, so {self.servers} or more"
            needs += f" ({self.server_fps:.4g} FPS each)"
        return (
            f"{self.devices:,} devices at {self.fps:g} FPS: {self.mbps:,.4g} Mbit/s together,"
            f" {needs}; {measured}"
        )
