"""One edge's connection to a server: asks, and sorts what goes wrong into what may pass and not."""

import gc
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from splittool.errors import DeviceError, FrameError, InputError, SplittoolError, UsageError
from splittool.serving.protocol import make_request, read_response
from splittool.serving.question import Question
from splittool.serving.security import HEADER, Tls, is_loopback

_LARGEST_ANSWER = 256 << 20  # bytes
_CODE = grpc.StatusCode
# What says that this very request is wrong. A byte that was damaged on its way can look like it,
# too, so that it is asked again before it is believed.
_FINAL = (
    _CODE.INVALID_ARGUMENT,
    _CODE.NOT_FOUND,
    _CODE.FAILED_PRECONDITION,
    _CODE.UNAUTHENTICATED,
    _CODE.PERMISSION_DENIED,
    _CODE.UNIMPLEMENTED,
    _CODE.OUT_OF_RANGE,
)
_CERTIFICATES = (
    "CERTIFICATE_VERIFY_FAILED",
    "CERTIFICATE_REQUIRED",
    "Peer name",
    "BAD_CERTIFICATE",
)


class TransientError(Exception):
    """What may pass when it is tried again."""


class TimedOutError(TransientError):
    """No answer came in the time given."""


class FinalError(Exception):
    """What will not pass, unless it was a byte damaged on its way.

    Attributes:
        error: What to tell the user.
    """

    def __init__(self, error: SplittoolError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Address:
    """Where a server is.

    Attributes:
        target: host:port.
        tls: Certificates, or None to speak plainly.
        token: What to show, or None.
    """

    target: str
    tls: Tls | None = None
    token: str | None = None

    @staticmethod
    def parse(text: str, tls: Tls | None = None, token: str | None = None) -> "Address":
        """An address from grpc://host:port or grpcs://host:port.

        Raises:
            UsageError: It is not one, certificates are given for a plain one, or a token would
                cross a network in the clear.
        """
        parts = urlsplit(text)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in ("grpc", "grpcs") or not parts.hostname or not port or parts.path:
            raise UsageError(
                f"{text!r} is not a server; write grpc://HOST:PORT, or grpcs://HOST:PORT for TLS"
            )
        if parts.scheme == "grpc" and tls is not None and tls != Tls():
            raise UsageError(f"{text} speaks without TLS; write grpcs:// to use certificates")
        if parts.scheme == "grpc" and token and not is_loopback(parts.hostname):
            raise UsageError(f"a token would go to {text} in the clear; write grpcs://")
        if parts.scheme == "grpcs":
            tls = tls or Tls()
            tls.check()
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return Address(f"{host}:{port}", tls if parts.scheme == "grpcs" else None, token)


class Connection:
    """A channel to a server that comes back by itself; several threads may ask.

    Args:
        address: Where it is.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        options = [
            ("grpc.max_receive_message_length", _LARGEST_ANSWER),
            ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
            ("grpc.enable_retries", 0),  # retries are counted, and ours alone
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if address.tls is None:
            self.channel = grpc.insecure_channel(address.target, options)
        else:
            credentials = address.tls.channel_credentials()
            self.channel = grpc.secure_channel(address.target, credentials, options)
        self._stub: Any = GRPCInferenceServiceStub(self.channel)
        self._metadata = ((HEADER, f"Bearer {address.token}"),) if address.token else ()

    def ask(
        self, model: tuple[str, str], identity: str, question: Question, seconds: float
    ) -> bytes:
        """The coded masks that a server answers.

        Args:
            model: Name and version.
            identity: Comes back with the answer.
            question: The frame, and what is wanted.
            seconds: How long to wait.

        Raises:
            TransientError: It may be tried again.
            FinalError: There is no use in that.
        """
        request = make_request(*model, identity, question)
        response = self._call("ModelInfer", request, seconds)
        if response.id != identity:
            raise TransientError("the answer is to another request")
        try:
            return read_response(response)
        except InputError as error:
            raise FinalError(error) from None

    def models(self, seconds: float) -> list[tuple[str, str]]:
        """Names and versions of what the server has."""
        index = self._call("RepositoryIndex", pb.RepositoryIndexRequest(), seconds)
        return [(model.name, model.version) for model in index.models]

    def close(self) -> None:
        """End all calls, and let go of gRPC's threads before the process ends."""
        self.channel.close()
        self._stub = None
        gc.collect()

    def _call(self, name: str, request: Any, seconds: float) -> Any:
        method = getattr(self._stub, name, None)
        if method is None:
            raise TransientError("the connection was closed")
        # Raised outside the block: the original error would keep gRPC's channel, and with it its
        # threads, alive until the process ends, which then ends badly.
        try:
            return method(request, timeout=max(seconds, 0.001), metadata=self._metadata)
        except grpc.RpcError as error:
            problem: Exception = _sorted(error, self.address.target)
        except ValueError as error:  # the channel was closed
            problem = TransientError(str(error))
        raise problem


def _sorted(error: Any, target: str) -> TransientError | FinalError:
    """What a failed call means."""
    code, text = error.code(), str(error.details() or "")[:500]
    said = f"server {target}: {text or code.name}"
    if any(word in text for word in _CERTIFICATES):
        problem = f"server {target} and this client do not trust each other ({text[:160]})"
        return FinalError(DeviceError(f"{problem}; check certificates and their dates"))
    if code == _CODE.UNAUTHENTICATED:
        return FinalError(DeviceError(said))
    if code == _CODE.RESOURCE_EXHAUSTED and "larger than max" in text:
        return FinalError(InputError(f"{said}; the server takes no frames as large as these"))
    if code == _CODE.FAILED_PRECONDITION:
        return FinalError(FrameError(said))
    if "has no available versions" in text:  # Triton, while it loads a model or ends
        return TransientError(said)
    if code == _CODE.DEADLINE_EXCEEDED:
        return TimedOutError(f"server {target} did not answer in time")
    if code in _FINAL:
        return FinalError(InputError(said))
    return TransientError(said)
