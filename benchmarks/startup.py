"""Start-up of `splittool --help` beside `python -c 'import typer'`: python benchmarks/startup.py.

Processor time (user and system) of interleaved runs, which a busy machine disturbs least; and of
`import splittool` alone.
"""

import argparse
import resource
import statistics
import subprocess
import sys

COMMANDS = {
    "python -c 'import typer'": ["-c", "import typer"],
    "splittool --help": ["-m", "splittool", "--help"],
    "python -c pass": ["-c", "pass"],
    "python -c 'import splittool'": ["-c", "import splittool"],
}
MOST = 1.25  # splittool --help over import typer


def processor_seconds(arguments: list[str]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def import_milliseconds() -> float:
    """Processor time of `import splittool`, with all that it imports."""
    code = "from time import process_time as t; a = t(); import splittool; print(t() - a)"
    command = [sys.executable, "-c", code]
    return 1e3 * float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Print the median of each command, and its ratio to the first; 1 if --help takes too long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            times[name].append(processor_seconds(arguments))
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:30s} {seconds * 1e3:7.1f} ms  x {seconds / first:.2f}")
    print(f"import splittool: {statistics.median(import_milliseconds() for _ in range(11)):.1f} ms")
    return int(medians["splittool --help"] > MOST * first)


if __name__ == "__main__":
    sys.exit(main())
