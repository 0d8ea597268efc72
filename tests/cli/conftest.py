"""A folder with one of everything, to spoil."""

import os
import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture
def workspace(
    tmp_path: Path,
    steel: Path,
    models: Path,
    cut_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """The current folder: steel/, unet.pt, unet.xml, unet.bin and cut/, all tiny."""
    shutil.copytree(steel, tmp_path / "steel")
    shutil.copytree(cut_folder, tmp_path / "cut")
    for suffix in (".pt", ".xml", ".bin"):
        shutil.copy(models / f"tiny{suffix}", tmp_path / f"unet{suffix}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """For subprocesses: this source tree, one thread, no colours asked for."""
    root = Path(__file__).resolve().parents[2]
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "TERM": "xterm"}


@pytest.fixture
def splittool() -> list[str]:
    """The command as a subprocess starts it."""
    return [sys.executable, "-m", "splittool"]
