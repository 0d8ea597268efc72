"""End to end `splittool infer` of both halves against the whole model, in turn.

    python benchmarks/split_infer.py unet.xml cut.json IMAGES [--rounds 3]

Reading, inference, quantising, drawing and writing are in the time; starting the process is not.
Both times are told: the clock's, and the processor's, all threads together, which other programs
hardly change.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import splittool


def main() -> None:
    """Print images per second of each, by the clock and by the processor, and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("whole", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network, split = splittool.load(arguments.whole), splittool.open(arguments.cut)
    rates: dict[str, list[tuple[float, float]]] = {}
    for _ in range(arguments.rounds):
        for bits in (None, 16, 8, 4):
            before = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                if bits is None:
                    report = network.evaluate(arguments.images, folder=folder)
                else:
                    report = split.evaluate(arguments.images, bits, folder=folder)
            processor = report.images / (time.process_time() - before)
            name = "whole" if bits is None else f"split, {bits} bits"
            rates.setdefault(name, []).append((report.images_per_second, processor))
    medians = {
        name: [*map(statistics.median, zip(*values, strict=True))] for name, values in rates.items()
    }
    whole = medians["whole"]
    for name, (wall, processor) in medians.items():
        print(
            f"{name:16s} {wall:6.2f} images/s, x {wall / whole[0]:.2f} of the whole;"
            f" {processor:6.2f} per processor second, x {processor / whole[1]:.2f}"
        )


if __name__ == "__main__":
    main()
