"""One process at a time writes an output."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from splittool.errors import OutputError
from splittool.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from splittool.locks import locked
with locked(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_another_process_is_refused_until_it_is_gone(tmp_path: Path) -> None:
    """However it goes: a kill leaves the hidden file, and nobody holds it any more."""
    path = tmp_path / "net.pt"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="wait for it"), locked(path, "wait for it"):
            pass
        with locked(tmp_path / "other.pt", "wait for it"):
            pass
        other.send_signal(signal.SIGKILL)
    with locked(path, "wait for it"):
        assert [each.name for each in tmp_path.iterdir()] == [".net.lock"]
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot write .*\.net\.lock"),
        locked(tmp_path / "file" / "net.pt", "wait for it"),
    ):
        pass
