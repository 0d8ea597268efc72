"""End to end `splittool infer` of both halves against the whole model, in turn.

    python benchmarks/split_infer.py unet.xml cut.json IMAGES [--rounds 3]

Reading, inference, quantising, drawing and writing are in the time; starting the process is not.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from splittool.data.image_lists import expand_inputs, labels_for
from splittool.reports import CutReport, read_report
from splittool.split.evaluation import gather, predict
from splittool.split.runners import Pipeline, SplitPipeline, WholePipeline, canvas_of


def main() -> None:
    """Print images per second of each, and the ratio to the whole."""
    parser = argparse.ArgumentParser()
    parser.add_argument("whole", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cut = read_report(arguments.cut, CutReport)
    pipelines: dict[str, Pipeline] = {
        "whole": WholePipeline(arguments.whole, "CPU", "auto"),
        **{
            f"split, {bits} bits": SplitPipeline(arguments.cut, cut, bits, "CPU", "auto")
            for bits in (16, 8, 4)
        },
    }
    paths = expand_inputs([arguments.images])
    labels = labels_for(paths, None)
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(arguments.rounds):
        for name, pipeline in pipelines.items():
            canvas = canvas_of(pipeline, None)
            samples = gather(paths, labels, canvas)
            with tempfile.TemporaryDirectory() as folder:
                done = predict(pipeline, canvas, samples, labels, Path(folder), 0.5)
            rates[name].append(len(samples) / done.seconds)
    whole = statistics.median(rates["whole"])
    for name, values in rates.items():
        rate = statistics.median(values)
        print(f"{name:16s} {rate:6.2f} images/s  x {rate / whole:.2f} of the whole")


if __name__ == "__main__":
    main()
