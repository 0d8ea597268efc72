import subprocess
import sys
from pathlib import Path

# Python's signal handlers run on the signal stack that faulthandler sets.
SCRIPT = """
import faulthandler, signal, sys
faulthandler.enable()
from splittool.network.network import Network
first = Network.load(sys.argv[1]).runner()
second = Network.load(sys.argv[1]).runner()
del first
del second
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


def test_a_signal_after_models_were_closed_is_handled(exported: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(exported)], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, "handled\n"), result.stderr
