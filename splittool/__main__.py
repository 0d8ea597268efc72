"""`splittool`, `python -m splittool`, and so `torchrun -m splittool train ...`."""

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit."""
    # Ctrl-C before anything is loaded ends the process, as SIGTERM does, and not in a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from splittool.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
