"""Start-up of `splittool --help` against `python -c pass`: python benchmarks/startup.py."""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer'": [sys.executable, "-c", "import typer"],
    "splittool --help": [sys.executable, "-m", "splittool", "--help"],
}


def main(rounds: int = 20) -> None:
    """Print the median of each, and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:26s} {seconds * 1e3:7.1f} ms  x {seconds / first:.2f}")


if __name__ == "__main__":
    main()
