"""The relay: all bytes arrive, as slowly and as damaged as asked for."""

import asyncio
import time

import pytest

from splittool.errors import DeviceError
from splittool.serving.relay import Relay, RelayOptions

DATA = bytes(range(256)) * 400  # 102,400 bytes


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read())
    writer.write_eof()
    await writer.drain()
    writer.close()


async def through(options: RelayOptions) -> tuple[bytes, float, Relay]:
    """What comes back through a relay, how long it takes, and the relay."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    relay, stop = Relay(("127.0.0.1", port), options), asyncio.Event()
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(relay.run("127.0.0.1", 0, stop, ready.set_result))
    reader, writer = await asyncio.open_connection("127.0.0.1", await ready)
    began = time.monotonic()
    found = b""
    try:
        writer.write(DATA)
        writer.write_eof()
        found = await reader.read()
    except ConnectionError:
        pass
    seconds = time.monotonic() - began
    writer.close()
    stop.set()
    await running
    server.close()
    return found, seconds, relay


def test_all_bytes_arrive() -> None:
    found, _, relay = asyncio.run(through(RelayOptions()))
    assert found == DATA
    assert relay.counts.connections == 1
    assert relay.counts.bytes == 2 * len(DATA)
    assert relay.counts.corrupted == relay.counts.dropped == relay.counts.stalls == 0


def test_rate_and_delay_take_their_time() -> None:
    rate = 4e6
    found, seconds, _ = asyncio.run(through(RelayOptions(rate=rate, delay=0.1, jitter=0.01)))
    assert found == DATA
    least = 2 * len(DATA) * 8 / rate + 0.18  # the echo begins when all has arrived
    assert least <= seconds < 5 * least


def test_bits_change_where_asked() -> None:
    found, _, relay = asyncio.run(through(RelayOptions(corrupt=1000, seed=1)))
    changed = [a ^ b for a, b in zip(found, DATA, strict=True) if a != b]
    assert relay.counts.corrupted > 0
    assert len(changed) == relay.counts.corrupted
    assert all(value.bit_count() == 1 for value in changed)


def test_connections_break_where_asked() -> None:
    found, _, relay = asyncio.run(through(RelayOptions(rate=1e5, drop_connections=1, seed=1)))
    assert len(found) < len(DATA)
    assert relay.counts.dropped == 1


def test_nothing_passes_for_a_while() -> None:
    found, seconds, relay = asyncio.run(through(RelayOptions(stall=0.5, stall_every=0)))
    assert found == DATA
    assert seconds > 0.5
    assert relay.counts.stalls >= 1


def test_a_taken_port_is_an_error() -> None:
    async def twice() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            relay = Relay(("127.0.0.1", 1), RelayOptions())
            await relay.run("127.0.0.1", port, asyncio.Event(), lambda _: None)
        finally:
            server.close()

    with pytest.raises(DeviceError, match="choose another port"):
        asyncio.run(twice())
