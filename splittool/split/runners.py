"""Pixels to probabilities: a whole model, or head, link and tail."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splittool.data.images import Canvas, Fit
from splittool.errors import InputError
from splittool.files import sha256
from splittool.graph.reading import load_model
from splittool.reports import CutReport, FileRecord
from splittool.runtime.core import core
from splittool.runtime.devices import Compiled, compile_model
from splittool.runtime.image_ports import Normalisation, put_maps, take_pixels
from splittool.runtime.info import ModelInfo, read_info
from splittool.split.link import Link, open_link, tensor_spec

Pixels = NDArray[np.uint8]
Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """What came of one image.

    Attributes:
        probabilities: (C, H, W) on the canvas.
        payload_bytes: What the cut sent; None for a whole model.
        elements: Values in those bytes; None for a whole model.
        encode_ms: To quantise, code and frame the crossing tensors; None for a whole model.
        decode_ms: From the frame's bytes to the tail's tensors; None for a whole model.
    """

    probabilities: Probabilities
    payload_bytes: int | None = None
    elements: int | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None


class WholePipeline:
    """A model that runs in one place.

    Args:
        path: Any model file.
        device: Where.
        precision: "auto" or a number type.
        shapes: Input shapes to set, as `load_model` takes them.
        normalisation: Of a graph that takes real numbers.

    Raises:
        InputError: It is no segmentation network that takes one image.
    """

    def __init__(
        self,
        path: Path,
        device: str,
        precision: str,
        shapes: Sequence[str] = (),
        normalisation: Normalisation | None = None,
    ) -> None:
        self.path = path
        model = load_model(path, shapes)
        self.info = read_info(model)
        model = take_pixels(path, model, normalisation)
        self.input_shape = tuple(model.inputs[0].get_shape())
        model, self.maps = put_maps(path, model, self.input_shape, self.info)
        self.compiled = compile_model(core(), model, device, precision)
        self._request = self.compiled.model.create_infer_request()

    def run(self, pixels: Pixels) -> Frame:
        """(H, W, 3) pixels of the canvas's size to probabilities."""
        output = self._request.infer([to_planes(pixels)], share_inputs=True, share_outputs=True)
        return Frame(np.array(output[0][0]))


class HeadPipeline:
    """The head of a cut alone, as a device runs it.

    Args:
        path: The cut.json.
        cut: Its content.
        device: Where.
        precision: "auto" or a number type.
        normalisation: Of a head that takes real numbers.

    Raises:
        InputError: The head is missing or not the one that was verified.
    """

    def __init__(
        self,
        path: Path,
        cut: CutReport,
        device: str,
        precision: str,
        normalisation: Normalisation | None = None,
    ) -> None:
        self.path = path
        self.info = ModelInfo(classes=cut.classes, fit=cut.fit)
        self.specs = [tensor_spec(record) for record in cut.split.tensors]
        head = load_model(verified_half(path, cut.head))
        head = take_pixels(path, head, normalisation)
        self.input_shape = tuple(head.inputs[0].get_shape())
        self.compiled: Compiled = compile_model(core(), head, device, precision)
        self._request = self.compiled.model.create_infer_request()

    def run(self, pixels: Pixels) -> list[NDArray[Any]]:
        """(H, W, 3) pixels of the canvas's size to crossing tensors, good until the next run."""
        results = self._request.infer([to_planes(pixels)], share_inputs=True, share_outputs=True)
        return list(results.values())


class TailPipeline:
    """The second half of a cut, on the CPU, as a server's would be.

    Args:
        path: The cut.json.
        cut: Its content.
        head: Its first half, which says what images it takes.
        precision: "auto" or a number type.

    Raises:
        InputError: The tail is missing or not the one that was verified.
    """

    def __init__(self, path: Path, cut: CutReport, head: HeadPipeline, precision: str) -> None:
        tail = load_model(verified_half(path, cut.tail))
        tail, self.maps = put_maps(path, tail, head.input_shape, head.info)
        compiled = compile_model(core(), tail, "CPU", precision)
        self._request = compiled.model.create_infer_request()

    def run(self, tensors: Sequence[NDArray[Any]]) -> Probabilities:
        """Crossing tensors to (C, H, W) probabilities on the canvas."""
        output = self._request.infer(list(tensors), share_inputs=True, share_outputs=True)
        return np.array(output[0][0])


class SplitPipeline:
    """Head, link and tail; what crosses the link is one frame of bytes for each image.

    Args:
        path: The cut.json.
        cut: Its content.
        link: How the crossing tensors are sent; a number is of bits, with codec `fast`.
        device: Of the head; the tail runs on the CPU, as a server's would.
        precision: Of both.
        normalisation: Of a head that takes real numbers.

    Raises:
        InputError: Head or tail is missing or not the one that was verified.
    """

    def __init__(
        self,
        path: Path,
        cut: CutReport,
        link: Link | int,
        device: str,
        precision: str,
        normalisation: Normalisation | None = None,
    ) -> None:
        self.path = path
        self.head = HeadPipeline(path, cut, device, precision, normalisation)
        self.info, self.input_shape = self.head.info, self.head.input_shape
        self.compiled = self.head.compiled
        self.link = open_link(path, cut, link) if isinstance(link, int) else link
        self.tail = TailPipeline(path, cut, self.head, precision)
        self.maps = self.tail.maps
        self._frames = 0

    def run(self, pixels: Pixels) -> Frame:
        """(H, W, 3) pixels of the canvas's size to probabilities."""
        tensors = self.head.run(pixels)
        started = time.perf_counter()
        sent = self.link.encode(self._frames, tensors)
        encoded = time.perf_counter()
        received = self.link.decode(sent).tensors
        decoded = time.perf_counter()
        self._frames += 1
        return Frame(
            self.tail.run(received),
            payload_bytes=len(sent),
            elements=sum(tensor.size for tensor in received),
            encode_ms=(encoded - started) * 1e3,
            decode_ms=(decoded - encoded) * 1e3,
        )


Pipeline = WholePipeline | SplitPipeline


def canvas_of(pipeline: Pipeline | HeadPipeline, fit: Fit | None) -> Canvas:
    """The canvas images are brought to; `fit` overrides what the model says."""
    _, _, height, width = pipeline.input_shape
    return Canvas(height, width, fit or pipeline.info.fit)


def to_planes(pixels: Pixels) -> Pixels:
    """(H, W, 3) to (1, 3, H, W)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def verified_half(path: Path, files: list[FileRecord]) -> Path:
    """The .xml of one half, after comparing it and its .bin with what the cut recorded."""
    for record in files:
        file = path.parent / record.path
        if not file.is_file():
            raise InputError(f"there is no file {file}, which {path} names; make the cut again")
        if file.stat().st_size != record.bytes or sha256(file) != record.sha256:
            raise InputError(
                f"{file} is not the one that {path} was verified with; make the cut again"
            )
    return next(path.parent / record.path for record in files if record.path.endswith(".xml"))
