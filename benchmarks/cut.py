"""Listing and making cuts, against Polygraphy and ONNX's own extractor, in turn.

    pip install "splittool[onnx,graphs]"
    python benchmarks/cut.py [--rounds 5]

All in one process, imports done, in turn. What one cut takes is given in processor time, which
does not count who else computes. The other tools write one half a call and have to be told every
tensor that crosses; here they are told what splittool found.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import openvino as ov
import torch
from openvino import opset13 as opset
from polygraphy.backend.onnx import (
    extract_subgraph,
    gs_from_onnx,
    infer_shapes,
    onnx_from_path,
    save_onnx,
)
from polygraphy.common import TensorMetadata
from polygraphy.logger import G_LOGGER

from splittool.conversion.checkpoint import convert
from splittool.cost.splits import describe_split_points
from splittool.data.images import Canvas
from splittool.errors import InputError
from splittool.graph.graph import read_graph
from splittool.graph.guard import guard
from splittool.graph.halves import Halves, Verifier, make_halves
from splittool.graph.onnx_extraction import extract_halves
from splittool.graph.onnx_graph import OnnxReading
from splittool.graph.onnx_halves import OnnxHalves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.models import build
from splittool.models.checkpoints import Checkpoint, weights_of
from splittool.runtime.ir import save_ir, write_ir
from splittool.runtime.onnx_file import OnnxFile

SIZE = (256, 1600)
CLASSES = ("1", "2", "3", "4")
GROWTH = (500, 1000, 2000, 4000)
PIXELS, LOGITS = "pixels", "logits"

Task = Callable[[], object]


def medians(
    tasks: dict[str, Task], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each, all taken once a round."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            started = clock()
            task()
            times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def network_ir(arch: str, folder: Path) -> Path:
    """One of splittool's networks with random weights, as `splittool export` writes it."""
    torch.manual_seed(0)
    checkpoint = folder / f"{arch}.pt"
    Checkpoint(
        arch=arch,
        options={},
        classes=list(CLASSES),
        canvas=Canvas(*SIZE),
        state=weights_of(build(arch, len(CLASSES), {})),
    ).save(checkpoint)
    save_ir(convert(checkpoint).model, checkpoint.with_suffix(".xml"))
    return checkpoint.with_suffix(".xml")


def network_onnx(arch: str, size: tuple[int, int], folder: Path) -> Path:
    """One of splittool's networks with random weights as ONNX."""
    torch.manual_seed(0)
    path = folder / f"{arch}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that replaces this one needs onnxscript
        torch.onnx.export(
            build(arch, len(CLASSES), {}).eval(),
            (torch.zeros(1, 3, *size),),
            str(path),
            dynamo=False,
            input_names=[PIXELS],
            output_names=[LOGITS],
        )
    return path


def synthetic(operations: int) -> ov.Model:
    """A graph of as many operations: blocks of three branches, each with a skip over it."""
    parameter = opset.parameter([1, 8, 4, 4], ov.Type.f32, name=PIXELS)
    weights = opset.constant(np.linspace(0.5, 1.5, 8, dtype=np.float32).reshape(1, 8, 1, 1))
    values = [parameter.output(0)]
    while len(values) <= operations:
        start = values[-1]
        branches = [opset.relu(start), opset.tanh(start), opset.multiply(start, weights)]
        joined = opset.add(branches[0], branches[1])
        joined_all = opset.add(joined, branches[2])
        skip = opset.add(joined_all, start)
        far = opset.add(skip, values[max(0, len(values) - 50)])
        block = [*branches, joined, joined_all, skip, far]
        values += [node.output(0) for node in block][: operations + 1 - len(values)]
    return ov.Model([opset.result(values[-1])], [parameter], "synthetic")


def list_file(path: Path) -> int:
    """Load and list."""
    return list_model(load_model(path))


def list_model(model: ov.Model) -> int:
    """Every place with all that is known about it."""
    return len(describe_split_points(read_graph(model))[0])


def show_listing(paths: dict[str, Path], rounds: int) -> None:
    """Print the time to list every cut, loading it or not."""
    tasks: dict[str, Task] = {}
    for name, path in paths.items():
        tasks[f"{name}, loaded"] = partial(list_model, load_model(path))
        tasks[f"{name}, end to end"] = partial(list_file, path)
    print("listing every cut:")
    for name, seconds in medians(tasks, rounds).items():
        print(f"  {name:42s} {seconds * 1e3:8.1f} ms")


def look_at(path: Path) -> None:
    """What an ONNX file gets before it is read."""
    guard(path, "onnx", ".onnx file")


def show_guard(paths: list[Path], rounds: int) -> None:
    """Print what the look at an ONNX file before it is read adds to listing it."""
    print("processor time of listing, and of the look before the file is read:")
    for path in paths:
        looks: list[float] = []
        listings: list[float] = []
        for _ in range(rounds):
            for task, times in ((look_at, looks), (list_file, listings)):
                started = time.process_time()
                task(path)
                times.append(time.process_time() - started)
        look, listing = statistics.median(looks), statistics.median(listings)
        added = look / (listing - look)  # the look is part of listing
        print(f"  {path.name:42s} {listing * 1e3:8.1f} ms, {look * 1e3:.1f} ms: +{added:.1%}")


def show_growth(rounds: int) -> None:
    """Print the time to list synthetic graphs of several sizes."""
    tasks: dict[str, Task] = {str(size): partial(list_model, synthetic(size)) for size in GROWTH}
    print("growth, synthetic graphs:")
    for name, seconds in medians(tasks, rounds).items():
        each = seconds / int(name) * 1e6
        print(f"  {name:>5s} operations {seconds * 1e3:8.1f} ms {each:6.1f} us each")


@dataclass(frozen=True)
class Wanted:
    """One cut of an ONNX file.

    Attributes:
        path: The file.
        at: The operation to cut after.
        tensors: Everything that crosses, by its name in the file.
        folder: Where to write.
    """

    path: Path
    at: str
    tensors: list[str]
    folder: Path

    def ours(self) -> tuple[ov.Model, ov.Model, ov.Model]:
        """Load, find what crosses, cut and write both halves."""
        whole = load_model(self.path)
        graph = read_graph(whole)
        head, tail = make_halves(whole, graph, find_cut(graph, self.at))
        write_ir(head, self.folder / "head.xml", half=False)
        write_ir(tail, self.folder / "tail.xml", half=False)
        return whole, head, tail

    def ours_extracted(self) -> None:
        """Find what crosses in the file alone, and write both halves as ONNX."""
        extract_halves(self.path, [self.at], self.folder)

    def ours_onnx(self) -> None:
        """The same where the cut is shown to be the one of OpenVINO's graph."""
        whole = load_model(self.path)
        reading = OnnxReading(OnnxFile(self.path), whole)
        halves = OnnxHalves(reading.file, reading.find_cut(self.at))
        halves.write_head(self.folder / "head.onnx")
        halves.write_tail(self.folder / "tail.onnx")

    def ours_proved(self) -> None:
        """The same, and run whole and halves on one image."""
        whole, head, tail = self.ours()
        assert Verifier.of(whole).verify(Halves(head, tail), 1e-5).holds

    def polygraphy(self, inputs: list[str], outputs: list[str]) -> Path:
        """What `polygraphy surgeon extract` does, without starting a process."""
        # onnxruntime's inference, tried first by default, is slower and needs another package.
        model = infer_shapes(onnx_from_path(str(self.path)), allow_onnxruntime=False)
        graph = gs_from_onnx(model)
        tensors = graph.tensors()
        taken, given = TensorMetadata(), TensorMetadata()
        for name in inputs:
            taken.add(name, tensors[name].dtype, tensors[name].shape)
        for name in outputs:
            given.add(name, tensors[name].dtype, None)
        extracted = extract_subgraph(model, taken, given)
        save_onnx(extracted, str(self.folder / "polygraphy.onnx"))
        return self.folder / "polygraphy.onnx"

    def polygraphy_both(self) -> None:
        """Two calls for the two halves."""
        self.polygraphy([PIXELS], self.tensors)
        self.polygraphy(self.tensors, [LOGITS])

    def onnx(self, inputs: list[str], outputs: list[str], check: bool = True) -> Path:
        """ONNX's own extractor."""
        written = self.folder / "onnx.onnx"
        onnx.utils.extract_model(self.path, written, inputs, outputs, check_model=check)
        return written

    def onnx_both(self) -> None:
        """Two calls for the two halves."""
        self.onnx([PIXELS], self.tensors)
        self.onnx(self.tensors, [LOGITS])


def wanted(path: Path, at: str, folder: Path) -> Wanted:
    """The cut after an operation of the U-Net's ONNX file."""
    graph = read_graph(load_model(path))
    name = [name for name in graph.by_name if f"/{at}/" in name][-1]
    # OpenVINO names an operation after its node; the other tools want the node's output.
    outputs = {node.name: node.output[0] for node in onnx.load(path).graph.node}
    tensors = [outputs[tensor.name] for tensor in find_cut(graph, name).tensors]
    return Wanted(path, name, tensors, folder)


def show_making(arch: str, cut: Wanted, own: Wanted, rounds: int) -> None:
    """Print what one cut of an ONNX file takes; `own` is the network as we export it."""
    tasks: dict[str, Task] = {
        "splittool, both halves, ONNX alone": cut.ours_extracted,
        "splittool, both halves, in both graphs": cut.ours_onnx,
        "splittool, both halves as IR": cut.ours,
        "splittool, both halves as IR, from .xml": own.ours,
        "splittool, both halves as IR, proved": cut.ours_proved,
        "polygraphy, tail only": partial(cut.polygraphy, cut.tensors, [LOGITS]),
        "polygraphy, both halves": cut.polygraphy_both,
        "onnx.utils.extract_model, tail only": partial(cut.onnx, cut.tensors, [LOGITS]),
        "onnx.utils.extract_model, both halves": cut.onnx_both,
    }
    found = medians(tasks, rounds, time.process_time)
    print(f"one cut of {arch}, at {cut.at}, {len(cut.tensors)} tensors crossing, processor time:")
    for name, seconds in found.items():
        ratio = seconds / next(iter(found.values()))
        print(f"  {name:42s} {seconds * 1e3:8.1f} ms  x {ratio:.2f}")


def show_naming_one(cut: Wanted) -> None:
    """Print what each tool makes of the one name that a user knows."""
    known = next(tensor for tensor in cut.tensors if cut.at in tensor)
    naive: dict[str, Callable[[], Path]] = {
        "polygraphy": partial(cut.polygraphy, [known], [LOGITS]),
        "onnx.utils.extract_model": partial(cut.onnx, [known], [LOGITS]),
        "onnx.utils.extract_model, no check": partial(cut.onnx, [known], [LOGITS], check=False),
    }
    print(f"told only {known}:")
    _, _, tail = cut.ours()
    print(f"  {'splittool':42s} tail reads {[port.get_any_name() for port in tail.inputs]}")
    for name, task in naive.items():
        print(f"  {name:42s} {outcome(task)}")


def outcome(task: Callable[[], Path]) -> str:
    """What comes of it: an error, or a file, and whether that is a model."""
    try:
        path = task()
    except (ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        return f"stops: {' '.join(str(error).split())[:110]}"
    try:
        load_model(path)
    except InputError as error:
        _, _, cause = str(error).partition(path.name)
        return f"reports success; its file {cause.partition(';')[0].strip()}"
    return "writes a model"


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only-making", action="store_true", help="leave the listings out")
    parser.add_argument("--network", choices=("unet", "pspnet"), help="cut one of them alone")
    arguments = parser.parse_args()
    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        paths = {
            f"{arch} at {SIZE[0]}x{SIZE[1]}": network_ir(arch, folder)
            for arch in ("unet", "pspnet")
        }
        paths["synthetic, 1000 operations"] = folder / "synthetic.xml"
        write_ir(synthetic(1000), folder / "synthetic.xml", half=False)
        if not arguments.only_making:
            show_listing(paths, arguments.rounds)
            show_growth(arguments.rounds)
        made = []
        # ONNX has no pooling into bins of unequal sizes, as PSPNet needs at 256x1600.
        for arch, size, at in (("unet", SIZE, "maxpool_2"), ("pspnet", (384, 384), "layer1")):
            if arguments.network in (None, arch):
                made.append(network_onnx(arch, size, folder))
                cut = wanted(made[-1], at, folder)
                own = Wanted(folder / f"{arch}.xml", at, [], folder)
                show_making(arch, cut, own, arguments.rounds)
                if arch == "unet":
                    show_naming_one(cut)
        show_guard(made, arguments.rounds)


if __name__ == "__main__":
    main()
