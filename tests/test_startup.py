"""`import splittool` is light: whoever wants only a version or one part waits for nothing else."""

import subprocess
import sys

HEAVY = ("torch", "openvino", "numpy", "PIL", "rich", "msgspec", "networkx", "typer", "tqdm")


def test_the_package_imports_nothing_heavy() -> None:
    code = f"import splittool, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
