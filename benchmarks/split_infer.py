"""End to end `splittool infer` of both halves against the whole model, in turn.

    python benchmarks/split_infer.py unet.xml cut.json IMAGES [--rounds 3] [--bits 16 8 4]

Without bits after --bits, the cut is sent as `infer` sends it by default: a latent in few bytes.

Reading, inference, quantising, drawing and writing are in the time; starting the process is not.
Both times are told: the clock's, and the processor's, all threads together, which other programs
hardly change.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import splittool
from splittool.reports import InferReport


def main() -> None:
    """Print images per second of each, by the clock and by the processor, and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("whole", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bits", type=int, nargs="*", default=[16, 8, 4])
    arguments = parser.parse_args()
    network, split = splittool.load(arguments.whole), splittool.open(arguments.cut)
    rates: dict[str, list[tuple[float, float]]] = {}
    ways: dict[str, Callable[[str], InferReport]] = {
        "whole": lambda folder: network.evaluate(arguments.images, folder=folder)
    }
    for bits in arguments.bits or [None]:
        name = "split" if bits is None else f"split, {bits} bits"
        ways[name] = partial(split.evaluate, arguments.images, bits, None)
    for _ in range(arguments.rounds):
        for name, evaluate in ways.items():
            before = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                report = evaluate(folder)
            processor = report.images / (time.process_time() - before)
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
