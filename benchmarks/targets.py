"""Export heads and networks for every target, and hold old runtimes against the new one.

    python benchmarks/targets.py [--old PYTHON ...] [--size 256x1600]

Random weights. PYTHON is an interpreter with an old OpenVINO; with the Myriad compiler here (see
splittool doctor) each is compiled, too.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch

from splittool.benchmark.old_runtime import OldRuntime, find_runtime
from splittool.conversion.checkpoint import to_graph
from splittool.data.images import Canvas
from splittool.errors import DeviceError, InputError
from splittool.graph.graph import read_graph
from splittool.graph.halves import make_halves
from splittool.graph.split_points import find_cut
from splittool.models import build
from splittool.quantities import parse_size
from splittool.runtime.ir import core, write_ir
from splittool.runtime.myriad import compile_blob, find_compiler
from splittool.runtime.targets import TARGETS

NETWORKS = {
    "unet, ReLU": ("unet", {"activation": "relu", "norm": "batch"}),
    "unet, ELU": ("unet", {"activation": "elu", "norm": "none"}),
    "fcn8s": ("fcn8s", {}),
    "pspnet": ("pspnet", {}),
}
CASES = [
    *(("unet, ReLU", f"maxpool_{number}") for number in range(1, 6)),
    ("unet, ReLU", None),
    ("unet, ELU", None),
    ("fcn8s", "maxpool_3"),
    ("pspnet", "layer1"),
]
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def graph_of(name: str, size: tuple[int, int]) -> ov.Model:
    """A network with random weights, 16 bits each, as `splittool export` writes it."""
    torch.manual_seed(0)
    arch, options = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.xml"
        write_ir(to_graph(build(arch, 4, options).eval(), Canvas(*size)), path)
        return core().read_model(path, config={"ENABLE_MMAP": False})


def difference(runtime: OldRuntime, path: Path, model: ov.Model, wanted: list[Any]) -> float:
    """The largest difference of an output of the old runtime, as a share of its range."""
    runtime.load(path, "CPU", "latency", None, {"ENFORCE_BF16": "NO"})
    found = runtime.infer({model.inputs[0].get_node().get_friendly_name(): pixels(model)})
    by_shape = {value.shape: value for value in found.values()}
    return max(
        float(np.abs(by_shape[value.shape] - value).max() / np.ptp(value)) for value in wanted
    )


def pixels(model: ov.Model) -> np.ndarray:
    """The same random image each time."""
    shape = tuple(model.inputs[0].get_shape())
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def blob_of(path: Path, model: ov.Model) -> str:
    """What the Myriad compiler makes of it."""
    compiler = find_compiler()
    if compiler is None:
        return "no compiler"
    started = time.perf_counter()
    try:
        blob = compile_blob(compiler, path, path.with_suffix(".blob"), model)
    except (DeviceError, InputError) as error:
        return str(error).partition(": ")[2]
    hardware = sum(stage.hardware for stage in blob.stages)
    return (
        f"{blob.path.stat().st_size:,} bytes, {hardware} of {len(blob.stages)} stages in hardware,"
        f" {time.perf_counter() - started:.0f} s"
    )


def main() -> None:
    """Print one row for each case and runtime."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", type=Path, nargs="*", default=[])
    parser.add_argument("--size", type=parse_size, default=(256, 1600))
    arguments = parser.parse_args()
    runtimes = [OldRuntime(python) for python in arguments.old or filter(None, [find_runtime()])]
    for name, point in CASES:
        model = graph_of(name, arguments.size)
        if point:
            graph = read_graph(model)
            model, _ = make_halves(model, graph, find_cut(graph, point))
        wanted = [
            np.array(v) for v in core().compile_model(model, "CPU", F32)(pixels(model)).values()
        ]
        print(f"{name}, {f'head at {point}' if point else 'whole'}")
        with tempfile.TemporaryDirectory() as folder:
            for target in ("openvino-2022", "myriad"):
                path = Path(folder) / f"{target}.xml"
                write_ir(model, path, False, TARGETS[target])
                for runtime in runtimes:
                    version = runtime.version.partition("-")[0]
                    if target == "openvino-2022" and version < "2022":
                        continue
                    apart = difference(runtime, path, model, wanted)
                    print(f"  {target:14s} {version:9s} {apart:.1e}")
            print(f"  blob           {blob_of(Path(folder) / 'myriad.xml', model)}", flush=True)
    for runtime in runtimes:
        runtime.close()


if __name__ == "__main__":
    main()
