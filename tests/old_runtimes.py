"""Old runtimes and the Myriad compiler, fetched for tests where this machine can use them."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

VERSIONS = ("3.8", "3.9", "3.7", "3.6")  # of Python, that OpenVINO 2021.4 has wheels for
RUNTIME = "openvino==2021.4.2"
COMPILER = "openvino==2021.3.0"
LIBUSB = "libusb-1.0.so.0"


class UnavailableError(Exception):
    """Why the tests cannot have it."""


def interpreter() -> Path:
    """An interpreter that is old enough: on the path, or one of pyenv's."""
    for version in VERSIONS:
        for command in (shutil.which(f"python{version}"), _pyenv(version)):
            if command and _runs(command):
                return Path(command)
    raise UnavailableError(f"there is no Python {' or '.join(VERSIONS)} here")


def _pyenv(version: str) -> str | None:
    if shutil.which("pyenv") is None:
        return None
    listed = _output("pyenv", "versions", "--bare").split()
    full = next((name for name in listed if name.startswith(f"{version}.")), None)
    return f"{_output('pyenv', 'prefix', full).strip()}/bin/python" if full else None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _runs(command: str) -> bool:
    """Pyenv's stand-ins are on the path and run nothing."""
    finished = subprocess.run([command, "-c", "import venv"], capture_output=True, check=False)
    return finished.returncode == 0


def make_runtime(folder: Path) -> Path:
    """An environment with the old runtime; its interpreter."""
    python = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _do(str(interpreter()), "-m", "venv", str(folder))
        _do(str(python), "-m", "pip", "install", "-q", RUNTIME)
        (folder / "ready").touch()
    return python


def fetch_compiler(folder: Path) -> Path:
    """The compiler, as `splittool doctor` says to get it, and libusb, which it needs, beside it."""
    compiler = folder / "openvino-2021.3" / "openvino" / "libs" / "myriad_compile"
    if not (folder / "ready").is_file():
        old = ["--only-binary=:all:", "--python-version", "3.8", "--abi", "cp38"]
        old += ["--implementation", "cp", "--platform", "manylinux2014_x86_64"]
        _unpack(_download(folder, *old, COMPILER), folder / "openvino-2021.3")
        shutil.copy(fetch_libusb(folder / "usb") / LIBUSB, compiler.parent)
        compiler.chmod(0o755)
        (folder / "ready").touch()
    return compiler


def fetch_libusb(folder: Path) -> Path:
    """A folder with libusb and nothing else."""
    alone = folder / "library"
    if not (alone / LIBUSB).is_file():
        _unpack(_download(folder, "libusb-package"), folder)
        alone.mkdir(exist_ok=True)
        (library,) = (folder / "libusb_package").glob("libusb-1.0.so*")
        shutil.copy(library, alone / LIBUSB)
    return alone


def _download(folder: Path, *what: str) -> Path:
    """A wheel from pip's index."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    _do(*pip, *what)
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def _do(*command: str) -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        lines = finished.stderr.strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"{' '.join(command[:4])}... failed: {lines[-1][:200]}")
