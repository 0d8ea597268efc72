"""A network: any model file, read once, with its graph, its prices and its cuts.

What plans, runs or writes is imported where it is used, so that listing cuts stays quick.
"""

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import openvino as ov

from splittool.cost.operations import OperationCost, operation_costs
from splittool.cost.splits import describe_split_points, list_splits
from splittool.errors import InputError, UsageError, VerificationError
from splittool.formats import program_kind
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import Verifier, make_halves
from splittool.graph.names import name_copy
from splittool.graph.reading import load_model, prepare
from splittool.graph.split_points import find_cut
from splittool.progress import Progress, counter, nobody
from splittool.reports import (
    FileRecord,
    InferReport,
    PlanReport,
    ProfileReport,
    SplitRecord,
    SplitsReport,
    file_record,
    folder_record,
)
from splittool.runtime.ir import ModelInfo, read_info, write_ir
from splittool.split.options import RunOptions

if TYPE_CHECKING:
    from splittool.data.samples import Picture, Pictures, Truth
    from splittool.network.cut import NetworkCut, OnnxSource
    from splittool.split.answer import Answer
    from splittool.split.runners import WholeRunner

Shape = str | Sequence[int]
Shapes = Shape | Sequence[str] | Mapping[str, Shape] | None

RUN = RunOptions()


class Network:
    """A network, read once; load one with `splittool.load`.

    Args:
        model: The graph, with fixed input shapes.
        source: The file it was read from; None for one made in memory.
        shapes: The input shapes that it was read with, as `splittool cut --shape` takes them.
        trust: Whether programs that can run code were let in.

    Attributes:
        model: The OpenVINO graph.
        path: The file; None for one made in memory.
        shapes: The input shapes that it was read with.
        trust: Whether programs that can run code were let in.
    """

    def __init__(
        self,
        model: ov.Model,
        source: Path | None = None,
        shapes: Sequence[str] = (),
        trust: bool = False,
    ) -> None:
        self.model, self.path, self.shapes, self.trust = model, source, tuple(shapes), trust
        self._onnx: Path | None = None
        self._last: tuple[RunOptions, WholeRunner] | None = None

    @staticmethod
    def load(
        source: str | Path | ov.Model,
        shape: Shapes = None,
        trust: bool = False,
        if_open: str | None = None,
    ) -> "Network":
        """Read a network.

        Args:
            source: A .pt checkpoint of splittool, an .xml, .onnx, .tflite, .pb or .pdmodel file,
                a SavedModel folder, or an OpenVINO model, which is copied.
            shape: The shape of an input that is open: "1x3x256x1600" or (1, 3, 256, 1600); for
                several inputs "NAME=1x3x256x1600", a list of such, or shapes by name.
            trust: Read programs of PyTorch, too, which can run code: a .pt2, or TorchScript in a
                .pt or .ts.
            if_open: The shape of a file's input where it is open and no shape is given.

        Raises:
            InputError: The file is missing, damaged, of an unknown kind, a program that is not
                trusted, or its shapes are open.
            UsageError: A shape does not fit.
        """
        if isinstance(source, ov.Model):
            copy = source.clone()
            name_copy(copy, source)
            return Network(prepare(copy, shape_texts(shape), copy.get_friendly_name()))
        shapes = shape_texts(shape)
        model = load_model(Path(source), shapes, trust, if_open)
        return Network(model, Path(source), shapes, trust)

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return str(self.path or self.model.get_friendly_name())

    @cached_property
    def graph(self) -> Graph:
        """All operations as plain Python values.

        Raises:
            InputError: None of them depends on an input.
        """
        graph = read_graph(self.model)
        if not graph.by_name:
            raise InputError(f"{self.name} computes nothing from its inputs; give a whole model")
        return graph

    @cached_property
    def info(self) -> ModelInfo:
        """What the file says about itself, such as classes, fit and named split points."""
        return read_info(self.model)

    @cached_property
    def record(self) -> FileRecord:
        """The file with its SHA-256; of a model made in memory, the IR it would be written as."""
        if self.path is not None:
            return (folder_record if self.path.is_dir() else file_record)(self.path)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xml"
            write_ir(self.model, path, half=False)
            return file_record(path, self.name)

    @cached_property
    def costs(self) -> dict[int, OperationCost]:
        """What every operation costs, by its index in the graph."""
        return operation_costs(self.graph)

    @property
    def split_points(self) -> list[str]:
        """Names to cut after; a network without named split points has all its operations here."""
        named = [name for name in self.info.split_points if name in self.graph.by_name]
        return named or list(self.graph.by_name)

    @property
    def flops(self) -> int:
        """Floating-point operations of one frame; types without a definition count nothing."""
        return sum(cost.flops or 0 for cost in self.costs.values())

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one frame."""
        return sum(cost.macs for cost in self.costs.values())

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(cost.parameters for cost in self.costs.values())

    def profile(self) -> ProfileReport:
        """Operations, parameters and memory of every layer and of every split point's head."""
        from splittool.cost.profiles import profile

        return profile(self.record, self.graph, self.info)

    def cuts(
        self,
        every: bool = False,
        verify: bool = False,
        tolerance: float = 1e-5,
        progress: Progress = nobody,
    ) -> SplitsReport:
        """Price the split points.

        Args:
            every: All places in topological order, not only the split points that have names.
            verify: Make each cut in memory, and hold head and tail against the whole.
            tolerance: Largest difference allowed, as a share of the output's range.
            progress: Told after each cut that is verified.

        Raises:
            VerificationError: Cuts differ by more; its `report` holds all.
        """
        splits, refused = (
            describe_split_points(self.graph) if every else list_splits(self.graph, self.info)
        )
        failed: list[str] = []
        if verify:
            splits, failed = self._verified(splits, tolerance, progress)
        report = SplitsReport(
            source=self.record, splits=splits, refused=refused, renamed=self.graph.renamed
        )
        if failed:
            raise VerificationError(
                f"{len(failed)} of {len(splits)} cuts differ from the whole by more than"
                f" {tolerance:g} of the output's range, such as {failed[0]!r};"
                " raise `tolerance` if you know why",
                report,
            )
        return report

    def _verified(
        self, splits: Sequence[SplitRecord], tolerance: float, progress: Progress
    ) -> tuple[list[SplitRecord], list[str]]:
        """The splits with their `difference`, and the names of those that do not hold."""
        verifier = Verifier.of(self.model)
        step = counter(progress, len(splits), "verifying")
        verified, failed = [], []
        for record in splits:
            cut = find_cut(self.graph, *record.at)
            if cut.head and cut.tail:  # a side that is empty has nothing to be compared
                halves = make_halves(self.model, self.graph, cut)
                proof = verifier.verify(halves, tolerance)
                failed += [] if proof.holds else [cut.name]
                record = msgspec.structs.replace(record, difference=proof.share)
            verified.append(record)
            step()
        return verified, failed

    def plan(
        self,
        edge: str | float | Path,
        cloud: str | float | Path,
        link: str | float,
        **more: Any,
    ) -> PlanReport:
        """Price every cut for a device, a cloud and a link, and choose one.

        Args:
            edge: Compute rate of the device: "100GFLOPS", GFLOPS, or a report of `bench`.
            cloud: Compute rate of the cloud, given in the same way.
            link: "100Mbps", Mbit/s, or a link's name.
            more: Other fields of `splittool.cost.plan_options.PlanOptions`, such as rtt, bits,
                limits, edge_energy and radio.

        Raises:
            UsageError: A rate, link or limit cannot be read or is out of range.
            InputError: A report is not usable, or the network cannot be cut at all.
        """
        from splittool.cost.plan_options import PlanOptions
        from splittool.cost.plans import plan

        options = PlanOptions(
            edge, cloud, link, **{"shapes": self.shapes, "trust": self.trust, **more}
        )
        return plan(self.record, self.graph, self.info, options)

    def cut(self, *at: str) -> "NetworkCut":
        """Cut the network after some operations, in memory.

        Args:
            at: A split point; several names make one cut behind several branches.

        Raises:
            InputError: There is no such split point, or the network cannot be cut there.
        """
        from splittool.network.cut import NetworkCut

        cut = find_cut(self.graph, *at)
        return NetworkCut(self.model, self.graph, cut, self.record, self._onnx_source())

    def in_onnx(self) -> "Network":
        """The network as one of ONNX: itself, or a checkpoint exported to a temporary file.

        Raises:
            UsageError: It is neither an .onnx file nor a checkpoint.
            InputError: ONNX cannot express an operation of the checkpoint.
            MissingExtraError: The packages of the extra `onnx` are not installed.
        """
        if self.path is not None and self.path.suffix == ".onnx":
            return self
        if self.path is None or self.path.suffix != ".pt" or program_kind(self.path):
            raise UsageError(
                f"{self.name} cannot be written as ONNX; give an .onnx file or a .pt checkpoint, or"
                " another target"
            )
        from splittool.conversion.onnx_export import export_onnx

        folder = tempfile.mkdtemp(prefix="splittool-")
        file = Path(folder) / f"{self.path.stem}.onnx"
        try:
            export_onnx(self.path, file)
            network = Network(load_model(file), self.path)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        network._onnx = file
        weakref.finalize(network, shutil.rmtree, folder, ignore_errors=True)
        return network

    def _onnx_source(self) -> "OnnxSource | None":
        from splittool.network.cut import OnnxSource

        path = self._onnx or self.path
        if path is None or path.suffix != ".onnx":
            return None
        return OnnxSource(path, fixed=bool(self.shapes), owner=self)

    def runner(self, options: RunOptions = RUN) -> "WholeRunner":
        """The network on its device; the last one is kept for the next call."""
        from splittool.split.runners import WholeRunner

        if self._last is None or self._last[0] != options:
            source = self.path or self.name
            file = self._onnx_file(options)
            runner = WholeRunner(source, self.model.clone(), self.info, options, file)
            self._last = (options, runner)
        return self._last[1]

    def _onnx_file(self, options: RunOptions) -> Path | None:
        """The file, where ONNX Runtime is to run it."""
        if options.runtime == "openvino":
            return None
        if self.path is None or self.path.suffix != ".onnx":
            raise UsageError(f"`runtime` onnxruntime runs .onnx files; {self.name} is none")
        return self.path

    def run(self, image: "Picture", options: RunOptions = RUN) -> "Answer":
        """Run one image through the whole network.

        Args:
            image: A file, a PIL image, or uint8 pixels (H, W) or (H, W, 3).
            options: Where and how it runs.

        Raises:
            InputError: The image is not usable, or this is not a segmentation network.
            DeviceError: The device is not there.
        """
        from splittool.split.answer import answer
        from splittool.split.evaluation import class_names, one_image
        from splittool.split.runners import canvas_of

        runner = self.runner(options)
        canvas = canvas_of(runner, options.fit)
        classes = class_names(self.info.classes, None, runner.maps)
        return answer(runner, one_image(image), canvas, classes, options.threshold)

    def evaluate(
        self,
        images: "Pictures",
        labels: "Truth" = None,
        folder: str | Path | None = None,
        options: RunOptions = RUN,
        progress: Progress = nobody,
    ) -> InferReport:
        """Run images through the whole network, and score masks against labels.

        Args:
            images: Folders, files, .txt lists, PIL images or uint8 arrays; one or several.
            labels: True masks: a train.csv, or a (C, H, W) array for each image. None takes the
                train.csv beside the images where there is one; False scores nothing.
            folder: Where masks, overlays, predictions.csv and report.json go; None writes nothing.
            options: Where and how it runs.
            progress: Told after each image.

        Raises:
            InputError: An image or the labels are not usable.
            OutputError: A file cannot be written.
            DeviceError: The device is not there.
        """
        from splittool.split.evaluation import make_task
        from splittool.split.prediction import Subject, predict

        runner = self.runner(options)
        task = make_task(images, labels, runner, options)
        target = None if folder is None else Path(folder)
        return predict(Subject(self.record, runner), task, options, target, progress)

    def _repr_html_(self) -> str:
        return self.cuts()._repr_html_()


def shape_texts(shape: Shapes) -> list[str]:
    """Shapes as `load_model` takes them: "1x3x256x1600" or "NAME=1x3x256x1600"."""
    if shape is None:
        return []
    if isinstance(shape, str):
        return [shape]
    if isinstance(shape, Mapping):
        return [f"{name}={_text(each)}" for name, each in shape.items()]
    if all(isinstance(each, str) for each in shape):
        return [str(each) for each in shape]
    return [_text([int(each) for each in shape])]


def _text(shape: Shape) -> str:
    return shape if isinstance(shape, str) else "x".join(map(str, shape))
