"""Man pages and completions are what the command line says, and groff accepts them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "man").glob("*.1"))


def test_generated_files_are_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "manpages.py"), "--check"]
    result = subprocess.run(tool, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_accepts(page: Path) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    command = [groff, "-ww", "-man", "-Tascii", "-z", str(page)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_bash_completes_commands(bin_folder: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = (
        f'source "{ROOT}/completions/splittool.bash"\n'
        "COMP_WORDS=(splittool be) COMP_CWORD=1\n"
        '_splittool_completion splittool; echo "${COMPREPLY[@]}"'
    )
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([bash, "-c", script], capture_output=True, text=True, env=environment)
    assert result.stdout.split() == ["bench-vpu"], result.stderr
