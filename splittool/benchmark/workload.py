"""What a benchmark measures: models, the heads of their split points, images to run them on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import openvino as ov

from splittool.benchmark.measurement import Inputs
from splittool.data.images import Canvas, read_image
from splittool.data.samples import expand_inputs
from splittool.errors import InputError, UsageError
from splittool.graph.graph import read_graph
from splittool.graph.halves import make_halves
from splittool.graph.split_points import find_cut
from splittool.network.network import Network
from splittool.reports import FileRecord
from splittool.runtime.ir import read_info

_MOST_IMAGES = 32  # enough to differ, and little memory


@dataclass(frozen=True)
class Subject:
    """A model to measure.

    Attributes:
        model: The graph.
        source: The file it comes from.
        split_point: The split point whose head it is, where the head was made for measuring.
        inputs: Values of the inputs, one list for each run; random ones if empty.
        shown: What the inputs are, for the report.
        onnx: The .onnx file, where it is one.
    """

    model: ov.Model
    source: FileRecord
    split_point: str | None = None
    inputs: Inputs = ()
    shown: str = "random"
    onnx: Path | None = None

    @property
    def name(self) -> str:
        """What tables and messages call it."""
        return self.split_point or self.source.path


Model: TypeAlias = str | Path | ov.Model | Subject | Network


@dataclass(frozen=True)
class Workload:
    """Models to measure, and on what.

    Attributes:
        models: Files, or models in memory.
        shapes: Input shapes to set, such as "1x3x256x1600" or "NAME=1x3x256x1600".
        splits: Measure the head of every named split point as well; for a single model.
        images: Folders, images or lists to run on; random values if empty.
        trust: Read programs of PyTorch, too, which can run code.
    """

    models: Sequence[Model]
    shapes: Sequence[str] = ()
    splits: bool = False
    images: Sequence[str] = ()
    trust: bool = False

    def subjects(self) -> list[Subject]:
        """Read everything.

        Raises:
            InputError: A model or an image is not usable.
            UsageError: A shape does not fit, or splits are asked of several models.
        """
        if self.splits and len(self.models) > 1:
            raise UsageError("`splits` is for one model; give one")
        images = expand_inputs(self.images) if self.images else []
        found = [subject(model, self.shapes, self.trust) for model in self.models]
        if self.splits:
            found = [*heads(found[0]), *found]
        return [on_images(one, images) for one in found] if images else found


def workload(models: "Model | Sequence[Model] | Workload") -> Workload:
    """One model or several as a workload."""
    if isinstance(models, Workload):
        return models
    return Workload([models] if isinstance(models, Model) else list(models))


def subject(model: Model, shapes: Sequence[str] = (), trust: bool = False) -> Subject:
    """A model as it is.

    Raises:
        InputError: It is not usable.
        UsageError: A shape does not fit.
    """
    if isinstance(model, Subject):
        return model
    network = (
        model if isinstance(model, Network) else Network.load(model, list(shapes) or None, trust)
    )
    path = network.path
    onnx = path if path is not None and path.suffix == ".onnx" else None
    return Subject(network.model, network.record, onnx=onnx)


def heads(whole: Subject) -> list[Subject]:
    """The heads of all named split points, in the order of the network.

    Raises:
        InputError: The model names none.
    """
    graph = read_graph(whole.model)
    points = [name for name in read_info(whole.model).split_points if name in graph.by_name]
    cuts = [cut for cut in (find_cut(graph, point) for point in points) if cut.head and cut.tail]
    if not cuts:
        raise InputError(
            f"{whole.source.path} names no split points; cut it, and measure the heads instead"
        )
    made = [(cut.name, make_halves(whole.model, graph, cut).head) for cut in cuts]
    return [replace(whole, model=head, split_point=name, onnx=None) for name, head in made]


def on_images(one: Subject, images: Sequence[Path]) -> Subject:
    """The same model, to be measured on images in place of random values.

    Raises:
        InputError: The model does not take an 8-bit image, or an image cannot be read.
    """
    ports = one.model.inputs
    shape = tuple(ports[0].get_shape())
    if (
        len(ports) > 1
        or len(shape) != 4
        or shape[1] != 3
        or ports[0].get_element_type() != ov.Type.u8
    ):
        raise InputError(
            f"{one.source.path} takes no image of bytes (1, 3, height, width); leave out `images`"
        )
    canvas = Canvas(shape[2], shape[3], read_info(one.model).fit)
    inputs = []
    for path in images[:_MOST_IMAGES]:
        pixels = read_image(path)
        canvas.check(path, *pixels.shape[:2])
        inputs.append([np.ascontiguousarray(canvas.image(pixels).transpose(2, 0, 1)[None])])
    return replace(one, inputs=inputs, shown=f"{len(inputs)} images")
