"""A server's life: it loads its cuts, listens, answers, and finishes what it took."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio as health_aio
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

from splittool.errors import DeviceError, UsageError
from splittool.reports.serve import ServedRecord, ServeReport
from splittool.serving.models import Defaults, Place, Repository
from splittool.serving.observation import Observer, tell
from splittool.serving.security import Tls, TokenCheck, is_loopback
from splittool.serving.service import Desk, InferenceService
from splittool.serving.signals import until_signal

_HEADROOM = 64 << 10  # bytes of a message that are not its frame
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True)
class ServerOptions:
    """How a server listens, and how much it takes.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        defaults: What questions mean that leave something open, and how tails run.
        queue: Frames in hand at once; more are refused.
        max_message: Largest message in bytes; None takes the largest frame of the cuts.
        tls: Certificates; None speaks plainly.
        token: What callers must show.
        insecure: Listen beyond this machine without TLS or token.
        metrics_port: Port for Prometheus on the same address; None for none.
        reload_seconds: How often the files are looked at; 0 for never.
        grace_seconds: How long a server that is told to end waits for frames in hand.
    """

    host: str = "127.0.0.1"
    port: int = 8001
    defaults: Defaults = field(default_factory=Defaults)
    queue: int = 32
    max_message: int | None = None
    tls: Tls | None = None
    token: str | None = None
    insecure: bool = False
    metrics_port: int | None = None
    reload_seconds: float = 2.0
    grace_seconds: float = 30.0

    def check(self) -> None:
        """Refuse to be open to everybody by mistake.

        Raises:
            UsageError: The server would listen beyond this machine without TLS or token.
            InputError: A certificate is not usable.
        """
        if self.tls is not None:
            self.tls.check()
        if is_loopback(self.host) or self.insecure or (self.tls and self.token):
            return
        raise UsageError(
            f"host {self.host} is open to other machines, which takes `tls_cert`, `tls_key` and"
            " `token_file`, or `insecure` if something in front of it protects it"
        )


class Server:
    """One server.

    Args:
        places: Its cuts.
        options: How it listens.

    Raises:
        UsageError: It would be open to everybody, or two cuts have one name.
        InputError: A cut or a certificate is not usable.
    """

    def __init__(self, places: Sequence[Place], options: ServerOptions) -> None:
        options.check()
        self.options, self.observer = options, Observer()
        self.repository = Repository(places, options.defaults)
        self.address = ""

    async def run(self, stop: asyncio.Event, ready: Callable[[str], None]) -> ServeReport:
        """Answer until told to stop.

        Args:
            stop: Set to end.
            ready: Told the address when frames are taken.

        Raises:
            DeviceError: The port is taken, or not to be had.
        """
        began = perf_counter()
        desk = Desk(self.options.defaults.workers, self.options.queue, self.observer)
        health = health_aio.HealthServicer()
        server = self._make_server(desk, health)
        metrics = self._listen_for_metrics()
        try:
            await server.start()
            await self._mark(health, _SERVING)
            tell(logging.INFO, "ready", address=self.address, models=self._names())
            ready(self.address)
            watching = asyncio.create_task(self._watch(desk))
            await stop.wait()
            desk.closing = True
            watching.cancel()
            await self._mark(health, _NOT_SERVING)
            tell(logging.INFO, "stopping", grace_seconds=self.options.grace_seconds)
            await server.stop(self.options.grace_seconds)
        finally:
            await asyncio.get_running_loop().run_in_executor(None, desk.close)
            if metrics is not None:
                metrics.shutdown()
                metrics.server_close()
        tell(logging.INFO, "stopped", requests=dict(self.observer.codes))
        return self._report(perf_counter() - began)

    def _make_server(self, desk: Desk, health: Any) -> Any:
        options = self.options
        checks = []
        if options.token is not None:
            checks = [TokenCheck(options.token, self._unauthenticated)]
        server = grpc.aio.server(
            interceptors=checks,
            options=self._channel_options(),
            maximum_concurrent_rpcs=4 * options.queue + 16,
        )
        service = InferenceService(self.repository, desk, self.observer)
        add_GRPCInferenceServiceServicer_to_server(service, server)
        add_HealthServicer_to_server(health, server)
        address = f"{options.host}:{options.port}"
        try:
            if options.tls is not None:
                port = server.add_secure_port(address, options.tls.server_credentials())
            else:
                port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise DeviceError(f"cannot listen on {address}; choose another `port`") from error
        self.address = f"{options.host}:{port}"
        return server

    def _channel_options(self) -> list[tuple[str, int]]:
        """Limits on messages, and on connections that do not do anything."""
        largest = max(model.largest_frame for model in self.repository) + _HEADROOM
        return [
            ("grpc.so_reuseport", 0),  # a taken port is an error
            ("grpc.max_receive_message_length", self.options.max_message or largest),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", 2 * self.options.queue + 8),
            ("grpc.max_metadata_size", 16 << 10),
            ("grpc.server_handshake_timeout_ms", 10_000),
            ("grpc.keepalive_time_ms", 20_000),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
            ("grpc.max_connection_idle_ms", 300_000),
            # However slowly it sends, no client holds on to a connection for longer.
            ("grpc.max_connection_age_ms", 300_000),
            ("grpc.max_connection_age_grace_ms", 30_000),
        ]

    def _listen_for_metrics(self) -> Any:
        if self.options.metrics_port is None:
            return None
        try:
            return self.observer.listen(self.options.host, self.options.metrics_port)
        except OSError as error:
            raise DeviceError(
                f"cannot listen on port {self.options.metrics_port} for metrics"
                f" ({error.strerror}); choose another `metrics_port`"
            ) from None

    def _unauthenticated(self, method: str) -> None:
        self.observer.refused("", "", "UNAUTHENTICATED", f"no or another token for {method[:100]}")

    def _names(self) -> list[str]:
        return [f"{model.place.name}:{model.place.version}" for model in self.repository]

    async def _mark(self, health: Any, status: Any) -> None:
        for name in ("", "inference.GRPCInferenceService"):
            await health.set(name, status)

    async def _watch(self, desk: Desk) -> None:
        """Load again what changes on disk."""
        while self.options.reload_seconds:
            await asyncio.sleep(self.options.reload_seconds)
            for place, error in await asyncio.wrap_future(desk.submit(self.repository.reload)):
                problem = None if error is None else str(error)
                self.observer.reloaded(place.name, place.version, problem)

    def _report(self, seconds: float) -> ServeReport:
        models = [
            ServedRecord(model.place.name, model.place.version, str(model.place.path))
            for model in self.repository
        ]
        return ServeReport(
            address=self.address,
            models=models,
            seconds=seconds,
            requests=dict(self.observer.codes),
        )


def serve(
    places: Sequence[Place], options: ServerOptions, ready: Callable[[str], None]
) -> ServeReport:
    """Answer until SIGINT or SIGTERM, then finish what was taken.

    Args:
        places: The cuts.
        options: How to listen.
        ready: Told the address when frames are taken.

    Raises:
        UsageError: The server would be open to everybody, or two cuts have one name.
        InputError: A cut or a certificate is not usable.
        DeviceError: The port is taken.
    """
    server = Server(places, options)
    return until_signal(lambda stop: server.run(stop, ready))


@contextlib.contextmanager
def embedded(places: Sequence[Place], options: ServerOptions) -> Iterator[Server]:
    """A server in a thread of this process, for as long as the block lasts."""
    server = Server(places, options)
    started = threading.Event()
    hooks: list[Callable[[], object]] = []
    failures: list[BaseException] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        hooks.append(lambda: loop.call_soon_threadsafe(stop.set))
        await server.run(stop, lambda address: started.set())

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait()
    try:
        if failures:
            raise failures[0]
        yield server
    finally:
        if thread.is_alive():
            hooks[0]()
        thread.join()
