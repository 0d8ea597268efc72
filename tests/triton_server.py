"""The server `tritonserver` as the wheel nvidia-pytriton brings it, on this machine."""

import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from socket import socket

import grpc
import tritonclient.grpc as triton

STARTS_IN = 120.0  # seconds, on a machine that has other things to do
ROOT = Path(__file__).resolve().parent.parent


def wheel() -> Path | None:
    """Where the wheel has the server; None without it."""
    spec = find_spec("pytriton")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "tritonserver"


def why_not() -> str | None:
    """Why Triton cannot run here."""
    found = wheel()
    if found is None:
        return "Triton needs the extra 'triton'"
    stub = found / "python_backend_stubs" / _python() / "triton_python_backend_stub"
    if not stub.is_file():
        return f"this nvidia-pytriton has no Triton for Python {_python()}"
    return None


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@contextmanager
def running(repository: Path, folder: Path, port: int | None = None) -> Iterator[str]:
    """A server of all models in a repository; gives its address.

    Args:
        repository: The models.
        folder: For its backends and its log.
        port: Of gRPC; None takes a free one.
    """
    found = wheel()
    assert found is not None
    address = f"127.0.0.1:{port or _free_port()}"
    command = [
        str(found / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={_backends(found, folder)}",
        "--grpc-address=127.0.0.1",
        f"--grpc-port={address.rpartition(':')[2]}",
        "--allow-http=false",
        "--allow-metrics=false",
        "--exit-timeout-secs=5",
    ]
    with (folder / "triton.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=_environment(), stdout=log, stderr=log)
    try:
        _wait(process, address, folder / "triton.log")
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _backends(found: Path, folder: Path) -> Path:
    """The Python backend with the stub for this Python, as a full Triton has it."""
    target = folder / "backends" / "python"
    target.mkdir(parents=True, exist_ok=True)
    stub = found / "python_backend_stubs" / _python() / "triton_python_backend_stub"
    for file in (*(found / "backends" / "python").iterdir(), stub):
        if not (target / file.name).exists():
            (target / file.name).symlink_to(file)
    return folder / "backends"


def _environment() -> dict[str, str]:
    """The stub takes the Python, and its packages, that it finds first on the path."""
    library = sysconfig.get_config_var("LIBDIR")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LD_LIBRARY_PATH": library, "OMP_NUM_THREADS": "1"}


def _free_port() -> int:
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Until all models are ready."""
    end = time.monotonic() + STARTS_IN
    with triton.InferenceServerClient(address) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                if client.is_server_ready():
                    return
            except (triton.InferenceServerException, grpc.RpcError):
                pass
            time.sleep(0.1)
    raise RuntimeError(f"Triton did not start:\n{log.read_text()[-3000:]}")
