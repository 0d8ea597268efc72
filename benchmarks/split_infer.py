"""End to end `splittool infer` of both halves against the whole model, in turn.

    python benchmarks/split_infer.py unet.xml cut.json IMAGES [--rounds 3]

Reading, inference, quantising, drawing and writing are in the time; starting the process is not.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import splittool


def main() -> None:
    """Print images per second of each, and the ratio to the whole."""
    parser = argparse.ArgumentParser()
    parser.add_argument("whole", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    network, split = splittool.load(arguments.whole), splittool.open(arguments.cut)
    rates: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for bits in (None, 16, 8, 4):
            with tempfile.TemporaryDirectory() as folder:
                if bits is None:
                    report = network.evaluate(arguments.images, folder=folder)
                else:
                    report = split.evaluate(arguments.images, bits, folder=folder)
            name = "whole" if bits is None else f"split, {bits} bits"
            rates.setdefault(name, []).append(report.images_per_second)
    whole = statistics.median(rates["whole"])
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"{name:16s} {rate:6.2f} images/s  x {rate / whole:.2f} of the whole")


if __name__ == "__main__":
    main()
