"""The packages that serving needs, and what to say where they are missing."""

from importlib.util import find_spec

from splittool.errors import MissingExtraError

_PACKAGES = ("grpc", "grpc_health", "tritonclient", "tenacity", "prometheus_client")


def require_serving() -> None:
    """Check that the packages of the extra `serve` are there.

    Raises:
        MissingExtraError: One is not.
    """
    for name in _PACKAGES:
        if find_spec(name) is None:
            raise MissingExtraError(
                f"a server or a client needs the package {name}: pip install 'splittool[serve]'"
            )
