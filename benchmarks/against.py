"""bench-vpu side by side with benchmark_app, in turn, for small and large networks.

    python benchmarks/against.py [--rounds 5] [--seconds 10] [--only tiny]

Random weights; the device is the CPU, in the precision it chooses itself.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import torch

from splittool.benchmark.options import DeviceOptions, Schedule
from splittool.benchmark.run import bench
from splittool.benchmark.workload import Subject, heads
from splittool.conversion.checkpoint import to_graph
from splittool.data.images import Canvas
from splittool.models import build
from splittool.reports import BenchSetReport, file_record
from splittool.runtime.devices import Hint
from splittool.runtime.ir import ModelInfo, save_ir, write_info

HINTS: tuple[Hint, Hint] = ("throughput", "latency")


def subjects(folder: Path) -> list[Subject]:
    """A tiny network, the head at maxpool_2 and the whole of the paper's U-Net."""
    found = []
    for name, widths, size in (("tiny", [4, 6], (64, 96)), ("unet", None, (256, 1600))):
        torch.manual_seed(0)
        options: dict[str, Any] = {"activation": "relu", "norm": "batch"}
        options |= {"widths": widths, "bottleneck": 8} if widths else {}
        model = to_graph(build("unet", 4, options).eval(), Canvas(*size))
        write_info(model, ModelInfo(split_points=["maxpool_2"]))
        save_ir(model, folder / f"{name}.xml")
        found.append(Subject(model, file_record(folder / f"{name}.xml", name)))
    return [found[0], *heads(found[1]), found[1]]


def main() -> None:
    """Print the median ratio of each, and those of every round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", help="one of: tiny, maxpool_2, unet")
    arguments = parser.parse_args()
    schedule = Schedule(
        arguments.seconds * arguments.rounds, rounds=arguments.rounds, against="benchmark_app"
    )
    with tempfile.TemporaryDirectory() as folder:
        measured = [
            subject for subject in subjects(Path(folder)) if arguments.only in (None, subject.name)
        ]
        for hint in HINTS:
            report = bench(measured, options=DeviceOptions("CPU", hint=hint), schedule=schedule)
            assert isinstance(report, BenchSetReport)
            for record in report.references:
                ratios = " ".join(f"{ratio:.3f}" for ratio in record.ratios)
                fps = sum(record.our_fps) / len(record.our_fps)
                print(f"{hint:10s} {record.model:10s} {fps:8.1f} FPS", end="  ")
                print(f"ratio {record.median_ratio:.3f}  rounds {ratios}", flush=True)


if __name__ == "__main__":
    main()
