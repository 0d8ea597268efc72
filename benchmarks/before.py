"""Processor time of whole commands here and in a checkout of another commit, in turn.

    git worktree add ../before COMMIT
    python benchmarks/before.py ../before unet.pt FOLDER [--rounds 5]

User and system time of each command and its children, which a busy machine disturbs least. Both
checkouts run in this interpreter's environment, on the same model and the same images.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def commands(model: Path, folder: Path, output: Path) -> dict[str, list[str]]:
    """What is measured: arguments of splittool, the same for both checkouts."""
    made = ["-o", str(output / "cut"), "--force", "--json"]
    train = ["train", str(folder), "--recipe", "paper", "--crop", "128x128", "--workers", "0"]
    return {
        "start-up": ["--help"],
        "listing": ["cut", str(model), "--all", "--json"],
        "cutting": ["cut", str(model), "--at", "maxpool_2", *made],
        "training": [*train, "--epochs", "2", "-o", str(output / "unet.pt"), "--force", "--json"],
    }


def processor_seconds(checkout: Path, arguments: list[str]) -> float:
    """User and system time of one command of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "splittool", *arguments]
    subprocess.run(command, check=True, cwd=checkout, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print, for each command, both medians and the median of the rounds' ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("before", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as output:
        tasks = commands(given.model.resolve(), given.folder.resolve(), Path(output))
        for name, arguments in tasks.items():
            rounds = [
                [processor_seconds(checkout, arguments) for checkout in (given.before, HERE)]
                for _ in range(given.rounds)
            ]
            before, now = (statistics.median(column) for column in zip(*rounds, strict=True))
            ratio = statistics.median(new / old for old, new in rounds)
            print(f"{name:10} before {before:6.3f} s, now {now:6.3f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
