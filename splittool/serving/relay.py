"""A TCP relay that is as slow, far and unreliable as it is told: a link to test on."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from splittool.errors import DeviceError
from splittool.reports import RelayReport
from splittool.serving.signals import until_signal

_PIECE = 16 << 10  # bytes that are handed on together, at most


@dataclass(frozen=True)
class RelayOptions:
    """What the link is like.

    Attributes:
        rate: Bits a second in each direction, of all connections together; None has no limit.
        delay: Seconds in each direction.
        jitter: Seconds that are added to it or taken from it, evenly spread.
        drop_connections: Probability with which a connection breaks, for each second it is busy.
        corrupt: Bits that are changed, for each megabyte.
        stall: Seconds for which nothing passes, now and then; 0 for never.
        stall_every: Seconds from one such time to the next.
        seed: Of what is left to chance.
    """

    rate: float | None = None
    delay: float = 0.0
    jitter: float = 0.0
    drop_connections: float = 0.0
    corrupt: float = 0.0
    stall: float = 0.0
    stall_every: float = 30.0
    seed: int | None = None


@dataclass
class RelayCounts:
    """What happened.

    Attributes:
        connections: How many came.
        dropped: How many were broken.
        corrupted: Bytes that were changed.
        stalls: Times when nothing passed.
        bytes: How many passed, in both directions.
    """

    connections: int = 0
    dropped: int = 0
    corrupted: int = 0
    stalls: int = 0
    bytes: int = 0


class _Line:
    """One direction of the link, which all connections share: a piece after the other."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free = 0.0

    def take(self, size: int) -> float:
        """When the last bit of a piece is through."""
        self._free = max(self._free, time.monotonic())
        if self._rate is not None:
            self._free += size * 8 / self._rate
        return self._free


class Relay:
    """Hands on what comes to one address to another.

    Args:
        target: Host and port.
        options: What the link is like.
    """

    def __init__(self, target: tuple[str, int], options: RelayOptions) -> None:
        self.target, self.options, self.counts = target, options, RelayCounts()
        self._random = random.Random(options.seed)
        self._lines = _Line(options.rate), _Line(options.rate)
        self._began = time.monotonic()
        self._stalled_until = 0.0
        self._next_stall = self._began + options.stall_every
        self.port = 0

    async def run(
        self, host: str, port: int, stop: asyncio.Event, ready: Callable[[int], None]
    ) -> RelayCounts:
        """Relay until told to stop.

        Args:
            host: Address to listen on.
            port: Port; 0 takes a free one.
            stop: Set to end.
            ready: Told the port.

        Raises:
            DeviceError: The port is taken.
        """
        try:
            server = await asyncio.start_server(self._connect, host, port)
        except OSError as error:
            raise DeviceError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another port"
            ) from None
        self.port = server.sockets[0].getsockname()[1]
        ready(self.port)
        async with server:
            await stop.wait()
        return self.counts

    async def _connect(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self.counts.connections += 1
        try:
            far, far_out = await asyncio.open_connection(*self.target)
        except OSError:
            near_out.transport.abort()
            return
        directions = [
            asyncio.create_task(self._pass(near, far_out, self._lines[0])),
            asyncio.create_task(self._pass(far, near_out, self._lines[1])),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in directions:
                task.cancel()
            for writer in (near_out, far_out):
                with suppress(OSError, RuntimeError):
                    writer.transport.abort()

    async def _pass(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, line: _Line
    ) -> None:
        """One direction of one connection; pieces wait in a queue for as long as they fly."""
        flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        landing = asyncio.create_task(self._land(flying, target))
        last = 0.0
        try:
            while piece := await source.read(_PIECE):
                if landing.done():
                    break
                began, through = time.monotonic(), line.take(len(piece))
                # Whoever sends is slowed down, as by the buffers of a real link.
                await asyncio.sleep(max(through - began, 0))
                self._maybe_drop(len(piece), max(through - began, 0.0))
                flight = self.options.delay + self._random.uniform(-1, 1) * self.options.jitter
                last = max(last, through + max(flight, 0))
                self.counts.bytes += len(piece)
                await flying.put((last, self._maybe_corrupt(piece)))
            await flying.put((last, b""))
            await landing
        finally:
            landing.cancel()

    async def _land(
        self, flying: "asyncio.Queue[tuple[float, bytes]]", target: asyncio.StreamWriter
    ) -> None:
        while True:
            due, piece = await flying.get()
            await asyncio.sleep(max(due - time.monotonic(), 0))
            await self._maybe_stall()
            if not piece:
                with suppress(OSError):
                    target.write_eof()
                return
            target.write(piece)
            await target.drain()

    def _maybe_drop(self, size: int, seconds: float) -> None:
        """Break the connection with the probability for the time that a piece takes."""
        share = self.options.drop_connections
        busy = max(seconds, size * 8 / (self.options.rate or 1e9))
        if share and self._random.random() > (1 - share) ** busy:
            self.counts.dropped += 1
            raise ConnectionResetError

    def _maybe_corrupt(self, piece: bytes) -> bytes:
        if self._random.random() >= self.options.corrupt * len(piece) / 1e6:
            return piece
        self.counts.corrupted += 1
        changed = bytearray(piece)
        changed[self._random.randrange(len(changed))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    async def _maybe_stall(self) -> None:
        now = time.monotonic()
        if self.options.stall and now >= self._next_stall:
            self.counts.stalls += 1
            self._stalled_until = now + self.options.stall
            self._next_stall = self._stalled_until + self.options.stall_every
        await asyncio.sleep(max(self._stalled_until - now, 0))


def relay(
    target: tuple[str, int], options: RelayOptions, port: int, ready: Callable[[int], None]
) -> RelayReport:
    """Relay from a port of this machine until SIGINT or SIGTERM.

    Args:
        target: Host and port that it leads to.
        options: What the link is like.
        port: Where it listens; 0 takes a free one.
        ready: Told the port.

    Raises:
        DeviceError: The port is taken.
    """
    began = time.monotonic()
    made = Relay(target, options)
    counts = until_signal(lambda stop: made.run("127.0.0.1", port, stop, ready))
    seconds = time.monotonic() - began
    return RelayReport(target=f"{target[0]}:{target[1]}", seconds=seconds, **vars(counts))
