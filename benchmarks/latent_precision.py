"""What a latent, its bytes and the masks lose where a device computes the head in fewer bits.

    python benchmarks/latent_precision.py splitnet.pt cut.json IMAGES [--old PYTHON ...]

The head in f32 is OpenVINO's. In bf16 and f16 it is PyTorch's, all weights and every layer's
outputs in that type, for a processor without it as well. PYTHON is an interpreter with an old
OpenVINO, which gets the head rewritten for it, its weights in 16 bits. Codec, tail and scores are
the same for all.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import splittool
from splittool.benchmark.old_runtime import OldRuntime
from splittool.data.images import Pixels
from splittool.models.checkpoints import load, restore
from splittool.runtime.ir import write_ir
from splittool.runtime.targets import TARGETS
from splittool.split.evaluation import make_task
from splittool.split.image_ports import to_planes
from splittool.split.prediction import Subject, predict
from splittool.split.runners import HeadRunner, SplitRunner
from splittool.training.rate import latent_network

F32 = splittool.RunOptions(precision="f32")
Head = Callable[[Pixels], NDArray[Any]]


class OtherHead(HeadRunner):
    """A head that is run by something else, and how often its rounded latent is another."""

    def __init__(self, head: HeadRunner, run: Head) -> None:
        vars(self).update(vars(head))
        self._f32, self._other = head, run
        self.symbols = self.differ = 0

    def run(self, pixels: Pixels) -> list[NDArray[Any]]:
        (wanted,), found = self._f32.run(pixels), self._other(pixels)
        self.symbols += found.size
        self.differ += int((np.rint(wanted) != np.rint(found)).sum())
        return [found]


def in_torch(path: Path, kind: torch.dtype) -> Head:
    """The encoder of a checkpoint in another number type."""
    network = restore(path, load(path)).eval()
    encoder = latent_network(network).to(kind)

    @torch.no_grad()
    def run(pixels: Pixels) -> NDArray[Any]:
        planes = network.normalise(torch.from_numpy(to_planes(pixels)))
        return encoder.encode(planes.to(kind)).float().numpy()

    return run


def in_old_runtime(python: Path, split: splittool.SplitNetwork, folder: Path) -> tuple[str, Head]:
    """The head in an old OpenVINO, and that one's version."""
    runtime = OldRuntime(python)
    head = splittool.load(split.path.parent / split.report.head[-1].path).model
    target = "openvino-2022" if runtime.version >= "2022" else "myriad"
    path = folder / f"{target}.xml"
    write_ir(head, path, True, TARGETS[target])
    runtime.load(path, "CPU", "latency", None, {"ENFORCE_BF16": "NO"})
    name = head.inputs[0].get_node().get_friendly_name()

    def run(pixels: Pixels) -> NDArray[Any]:
        (found,) = runtime.infer({name: to_planes(pixels)}).values()
        return np.array(found)

    return runtime.version.partition("-")[0], run


def main() -> None:
    """Print one line for each number type and runtime."""
    parser = argparse.ArgumentParser()
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("cut", type=Path)
    parser.add_argument("images")
    parser.add_argument("--old", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    split = splittool.open(arguments.cut)
    runner = split.runner(F32)
    task = make_task(arguments.images, None, runner, F32)
    with tempfile.TemporaryDirectory() as folder:
        heads: dict[str, Head] = {"f32": lambda pixels: runner.head.run(pixels)[0]}
        for kind in (torch.bfloat16, torch.float16):
            heads[str(kind).removeprefix("torch.")] = in_torch(arguments.checkpoint, kind)
        for python in arguments.old:
            version, run = in_old_runtime(python, split, Path(folder))
            heads[f"OpenVINO {version}"] = run
        for name, run in heads.items():
            head = OtherHead(runner.head, run)
            other = SplitRunner(head, runner.link, runner.tail)
            report = predict(Subject(split.report.source, other, split.point), task, F32)
            dice = report.scores.dice if report.scores else None
            print(
                f"{name:20s} {head.differ / head.symbols:8.3%} of symbols differ,"
                f" {report.payload_bytes_per_frame:8.2f} bytes a frame, Dice {dice}",
                flush=True,
            )


if __name__ == "__main__":
    main()
