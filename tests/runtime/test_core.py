import subprocess
import sys
from pathlib import Path

# Python's signal handlers run on the signal stack that faulthandler sets.
SCRIPT = """
import faulthandler, signal, sys
from pathlib import Path
faulthandler.enable()
from splittool.split.runners import WholePipeline
first = WholePipeline(Path(sys.argv[1]), "CPU", "f32")
second = WholePipeline(Path(sys.argv[1]), "CPU", "f32")
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
