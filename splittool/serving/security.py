"""Who may call a server, and over what: TLS, both ways if wanted, and a token."""

import hmac
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc

from splittool.errors import InputError, UsageError
from splittool.files import require_file

HEADER = "authorization"
_HEALTH = "/grpc.health.v1.Health/"  # probes of an orchestrator have no token


@dataclass(frozen=True)
class Tls:
    """Certificate files in PEM.

    Attributes:
        certificate: One's own, with those that signed it.
        key: Its private key.
        authority: Who signed the other side's; None takes the system's authorities for a client,
            and asks clients for none.
    """

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def check(self) -> None:
        """Read all files before anything depends on them.

        Raises:
            UsageError: A certificate comes without its key.
            InputError: A file is missing or damaged, or key and certificate do not belong together.
        """
        if (self.certificate is None) != (self.key is None):
            raise UsageError("a certificate and its private key go together; give both")
        context = ssl.create_default_context()
        for path in (self.certificate, self.key, self.authority):
            if path is not None:
                require_file(path, "give a PEM file")
        try:
            if self.certificate and self.key:
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
            if self.authority:
                context.load_verify_locations(self.authority)
        except (ssl.SSLError, ValueError) as error:
            what = self.certificate or self.authority
            cause = getattr(error, "reason", None) or "not PEM"
            raise InputError(
                f"{what} or its key is not usable ({cause}); give PEM files that belong together"
            ) from None

    def read(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """Authority, key and certificate, in the order in which gRPC takes them."""
        paths = (self.authority, self.key, self.certificate)
        authority, key, certificate = (path.read_bytes() if path else None for path in paths)
        return authority, key, certificate

    def server_credentials(self) -> grpc.ServerCredentials:
        """What a server listens with; clients need a certificate if an authority is given."""
        authority, key, certificate = self.read()
        return grpc.ssl_server_credentials(
            [(key, certificate)], authority, require_client_auth=authority is not None
        )

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client connects with."""
        return grpc.ssl_channel_credentials(*self.read())


def _no_password() -> str:
    raise ValueError("the key has a password")


def is_loopback(host: str) -> bool:
    """Whether a host can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_token(path: Path | None) -> str | None:
    """A token from a file, without the line's end.

    Raises:
        InputError: It is missing, empty or not one line of plain characters.
    """
    if path is None:
        return None
    require_file(path, "write the token into it")
    token = path.read_bytes().decode("latin-1").strip()
    if len(token) < 16 or not (token.isascii() and token.isprintable()) or " " in token:
        raise InputError(
            f"{path} holds no token of 16 or more plain characters; make one: openssl rand -hex 32"
        )
    return token


class TokenCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without the right token before anything of their content is read.

    Args:
        token: What callers must give as `authorization: Bearer TOKEN`.
        refused: Told of each call that is refused.
    """

    def __init__(self, token: str, refused: Callable[[str], None]) -> None:
        self._expected = f"Bearer {token}".encode()
        self._refused = refused

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: Any
    ) -> Any:
        """Hand on calls with the token."""
        given = dict(details.invocation_metadata).get(HEADER, "")
        given = given.encode() if isinstance(given, str) else given
        if details.method.startswith(_HEALTH) or hmac.compare_digest(given, self._expected):
            return await continuation(details)
        self._refused(details.method)
        return grpc.stream_unary_rpc_method_handler(_refuse)  # which reads nothing by itself


async def _refuse(requests: Any, context: Any) -> None:
    await context.abort(
        grpc.StatusCode.UNAUTHENTICATED,
        "the token is missing or wrong; give the one that the server was started with",
    )
