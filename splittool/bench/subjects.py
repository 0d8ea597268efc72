"""What a benchmark measures: model files, the heads of their split points, images to run on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov

from splittool.bench.session import Subject
from splittool.data.images import Canvas, read_image
from splittool.errors import InputError
from splittool.graph.graph import read_graph
from splittool.graph.halves import make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.reports import file_record
from splittool.runtime.info import read_info

_MOST_IMAGES = 32  # enough to differ, and little memory


def subject(path: Path, shapes: Sequence[str] = ()) -> Subject:
    """A model file as it is.

    Raises:
        InputError: It is not usable.
        UsageError: A shape does not fit.
    """
    return Subject(load_model(path, shapes), file_record(path))


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
    return [replace(whole, model=make_halves(whole.model, graph, c)[0], point=c.name) for c in cuts]


def load_frames(one: Subject, images: Sequence[Path]) -> Subject:
    """Let a model be measured on images in place of random values.

    Raises:
        InputError: It takes no image of bytes, or an image cannot be read.
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
            f"{one.source.path} takes no image of bytes (1, 3, height, width); leave out --images"
        )
    canvas = Canvas(shape[2], shape[3], read_info(one.model).fit)
    frames = []
    for path in images[:_MOST_IMAGES]:
        pixels = read_image(path)
        canvas.check(path, *pixels.shape[:2])
        frames.append([np.ascontiguousarray(canvas.image(pixels).transpose(2, 0, 1)[None])])
    return replace(one, frames=frames, shown=f"{len(frames)} images")
