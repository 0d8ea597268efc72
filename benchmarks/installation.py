"""Size and time of the two installs, whole and without torch: python benchmarks/installation.py.

Each is made in an environment of its own, with pip's cache left out.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = "python -m pip install --quiet --disable-pip-version-check --no-cache-dir"
INSTALLS = {
    "whole": f"{PIP} .",
    "without torch": f"{PIP} -r requirements-runtime.txt && {PIP} --no-deps .",
}


def megabytes(folder: Path) -> float:
    """What the files in a folder take, in MB (10^6 bytes)."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Print one line for each install."""
    for name, command in INSTALLS.items():
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            before, started = megabytes(Path(folder)), time.perf_counter()
            script = f'PATH="{folder}/bin:$PATH"; {command}'
            subprocess.run(["sh", "-ec", script], cwd=ROOT, check=True)
            seconds = time.perf_counter() - started
            print(f"{name:14s} {megabytes(Path(folder)) - before:7.0f} MB {seconds:6.1f} s")


if __name__ == "__main__":
    main()
