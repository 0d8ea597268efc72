"""From pixels to probabilities: a whole network, or head, link and tail."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from splittool.codec.tensors import TensorSpec
from splittool.data.images import Canvas, Fit, Pixels
from splittool.runtime.ir import ModelInfo
from splittool.split.engines import Engine, OnnxEngine, OpenVinoEngine
from splittool.split.image_ports import (
    maps_from,
    pixels_for,
    put_maps,
    take_pixels,
    to_planes,
)
from splittool.split.link import Link
from splittool.split.options import RunOptions
from splittool.split.pipeline import Clock, ahead, each

Probabilities = NDArray[np.float32]
Tag = TypeVar("Tag")
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Inference:
    """What a network made of one image.

    Attributes:
        probabilities: (C, H, W) on the canvas.
        payload_bytes: Bytes that crossed the link; None for a whole network.
        elements: Values in those bytes; None for a whole network.
        head_ms: Time of the head, or of the whole network.
        encode_ms: Time to quantise, code and frame the crossing tensors; None for a whole network.
        decode_ms: Time from the frame's bytes to the tail's tensors; None for a whole network.
        tail_ms: Time of the tail; None for a whole network.
        canvas: The canvas, where it is not that of the task.
        whole: (C, H, W) of the whole network, where a split one computes it, too.
    """

    probabilities: Probabilities
    payload_bytes: int | None = None
    elements: int | None = None
    head_ms: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    tail_ms: float | None = None
    canvas: Canvas | None = None
    whole: Probabilities | None = None


class Runner(Protocol):
    """Something that turns pixels into probabilities.

    Attributes:
        source: The file it comes from, for messages.
        info: What the network says about itself.
        input_shape: (1, 3, height, width) of the canvas.
        maps: Number of output maps, one for each class.
        compiled: The network, or its head, on its device.
    """

    source: Path | str
    info: ModelInfo
    input_shape: tuple[int, ...]
    maps: int
    compiled: Engine

    def run(self, pixels: Pixels) -> Inference:
        """(H, W, 3) pixels of the canvas's size to probabilities."""

    def stream(
        self, images: Iterator[tuple[Tag, Pixels]], clock: Clock
    ) -> Iterator[tuple[Tag, Inference]]:
        """Many such images, in order and several on their way at once.

        Args:
            images: Whatever belongs to an image, and its pixels.
            clock: Takes down how long each stage was busy.
        """


class WholeRunner:
    """A whole network on one device.

    Args:
        source: The file it comes from, for messages.
        model: The graph.
        info: What it says about itself.
        options: Where and how it runs.
        onnx: Its .onnx file, to run that in ONNX Runtime; None runs the graph in OpenVINO.

    Raises:
        InputError: It is not a segmentation network that takes one image.
        DeviceError: The device is not there or cannot run it.
    """

    def __init__(
        self,
        source: Path | str,
        model: ov.Model,
        info: ModelInfo,
        options: RunOptions,
        onnx: Path | None = None,
    ) -> None:
        self.source, self.info = source, info
        own = model.clone() if onnx else model
        model = take_pixels(source, model, options.normalisation)
        self.input_shape = tuple(model.inputs[0].get_shape())
        model, self.maps = put_maps(source, model, self.input_shape, info)
        device, precision = options.device, options.precision
        self.compiled: Engine
        if onnx is None:
            self.compiled = OpenVinoEngine(model, device, precision)
        else:
            before = pixels_for(own.inputs[0], options.normalisation)
            after = maps_from(own.outputs[0], self.input_shape)
            self.compiled = OnnxEngine(onnx, device, precision, before, after)

    def run(self, pixels: Pixels) -> Inference:
        """(H, W, 3) pixels of the canvas's size to probabilities."""
        started = time.perf_counter()
        (output,) = self.compiled.run([to_planes(pixels)])
        return Inference(np.array(output[0]), head_ms=(time.perf_counter() - started) * 1e3)

    def stream(
        self, images: Iterator[tuple[Tag, Pixels]], clock: Clock
    ) -> Iterator[tuple[Tag, Inference]]:
        """Many such images, in order."""
        run = clock.timed("network", self.run)
        return each(_beside_tag(run), images)


class HeadRunner:
    """The head of a cut, as a device runs it.

    Args:
        source: The cut.json or the network's file, for messages.
        model: The head.
        info: What the whole network says about itself.
        specs: The crossing tensors.
        options: Where and how it runs.
        onnx: Its .onnx file, to run that in ONNX Runtime; None runs the graph in OpenVINO.

    Raises:
        InputError: It does not take one image.
        DeviceError: The device is not there or cannot run it.
    """

    def __init__(
        self,
        source: Path | str,
        model: ov.Model,
        info: ModelInfo,
        specs: Sequence[TensorSpec],
        options: RunOptions,
        onnx: Path | None = None,
    ) -> None:
        self.source, self.info, self.specs = source, info, list(specs)
        own = model.clone() if onnx else model
        head = take_pixels(source, model, options.normalisation)
        self.input_shape = tuple(head.inputs[0].get_shape())
        device, precision = options.device, options.precision
        self.compiled: Engine
        if onnx is None:
            self.compiled = OpenVinoEngine(head, device, precision)
        else:
            before = pixels_for(own.inputs[0], options.normalisation)
            self.compiled = OnnxEngine(onnx, device, precision, before)

    def run(self, pixels: Pixels) -> list[NDArray[Any]]:
        """(H, W, 3) pixels of the canvas's size to crossing tensors, good until the next run."""
        return self.compiled.run([to_planes(pixels)])


class Device(Protocol):
    """What a tail must know of the other side.

    Attributes:
        source: The file it comes from, for messages.
        info: What the network says about itself.
        input_shape: (1, 3, height, width) of the canvas.
    """

    source: Path | str
    info: ModelInfo
    input_shape: tuple[int, ...]


class TailRunner:
    """The tail of a cut, as a server runs it; several threads may.

    Args:
        model: The tail.
        head: Its head, or what there is to know of it.
        precision: "auto" or a number type.
        device: Where it runs.
        onnx: Its .onnx file, to run that in ONNX Runtime; None runs the graph in OpenVINO.

    Raises:
        InputError: It does not put out maps of the image's size.
    """

    def __init__(
        self,
        model: ov.Model,
        head: Device,
        precision: str,
        device: str = "CPU",
        onnx: Path | None = None,
    ) -> None:
        after = maps_from(model.outputs[0], head.input_shape) if onnx else None
        tail, self.maps = put_maps(head.source, model, head.input_shape, head.info)
        self.compiled: Engine
        self._lock = Lock()
        if onnx is None:
            self.compiled = OpenVinoEngine(tail, device, precision)
        else:
            self.compiled = OnnxEngine(onnx, device, precision, after=after)

    def run(self, tensors: Sequence[NDArray[Any]]) -> Probabilities:
        """Crossing tensors to (C, H, W) probabilities on the canvas."""
        with self._lock:  # an engine's results are good until its next run
            (output,) = self.compiled.run(tensors)
            return np.array(output[0])


@dataclass
class Crossing:
    """One image between head and tail; each stage fills in what it makes.

    Attributes:
        frame_id: The number of its frame.
        tensors: The crossing tensors, as the head puts them out or as the tail takes them.
        frame: The bytes on the link.
        times: Milliseconds of each stage: head, encode, decode, tail.
        sent: The crossing tensors as the head put them out, where they are wanted at the end.
    """

    frame_id: int
    tensors: list[NDArray[Any]]
    frame: bytes = b""
    times: dict[str, float] = field(default_factory=dict)
    sent: Sequence[NDArray[Any]] = ()


class SplitRunner:
    """Head, link and tail; what crosses the link is one frame of bytes for each image.

    Args:
        head: The head.
        link: How the crossing tensors are sent.
        tail: The tail.
        beside_whole: Compute what the whole network would, too; see `RunOptions`.
    """

    def __init__(
        self, head: HeadRunner, link: Link, tail: TailRunner, beside_whole: bool = False
    ) -> None:
        self._beside_whole = beside_whole
        self.head, self.link, self.tail = head, link, tail
        self.source, self.info, self.input_shape = head.source, head.info, head.input_shape
        self.compiled, self.maps = head.compiled, tail.maps
        self._frames = 0

    def run(self, pixels: Pixels) -> Inference:
        """(H, W, 3) pixels of the canvas's size to probabilities."""
        return self._finish(self._decode(self._encode(self._start(pixels))))

    def stream(
        self, images: Iterator[tuple[Tag, Pixels]], clock: Clock
    ) -> Iterator[tuple[Tag, Inference]]:
        """Many such images; head, encoder, decoder and tail each work on another one."""
        start, encode = clock.timed("head", self._start), clock.timed("encode", self._encode)
        decode, finish = clock.timed("decode", self._decode), clock.timed("tail", self._finish)
        started = ahead(each(_beside_tag(start), images))
        encoded = ahead(each(_beside_tag(encode), started))
        decoded = ahead(each(_beside_tag(decode), encoded))
        return each(_beside_tag(finish), decoded)

    def _start(self, pixels: Pixels) -> Crossing:
        began = time.perf_counter()
        tensors = [np.array(tensor) for tensor in self.head.run(pixels)]
        # Nothing is lost or overtaken here: short frames, in which a number costs bytes, need none.
        number = 0 if self.link.is_latent else self._frames
        self._frames += 1
        sent = tensors if self._beside_whole else ()
        return Crossing(number, tensors, times={"head": _since(began)}, sent=sent)

    def _encode(self, crossing: Crossing) -> Crossing:
        began = time.perf_counter()
        crossing.frame = self.link.encode(crossing.frame_id, crossing.tensors)
        crossing.times["encode"] = _since(began)
        return crossing

    def _decode(self, crossing: Crossing) -> Crossing:
        began = time.perf_counter()
        crossing.tensors = self.link.decode(crossing.frame).tensors
        crossing.times["decode"] = _since(began)
        return crossing

    def _finish(self, crossing: Crossing) -> Inference:
        began = time.perf_counter()
        probabilities = self.tail.run(crossing.tensors)
        times = {**crossing.times, "tail": _since(began)}
        whole = self.tail.run(crossing.sent) if crossing.sent else None
        return Inference(
            probabilities,
            payload_bytes=len(crossing.frame),
            elements=sum(tensor.size for tensor in crossing.tensors),
            head_ms=times["head"],
            encode_ms=times["encode"],
            decode_ms=times["decode"],
            tail_ms=times["tail"],
            whole=whole,
        )


def _beside_tag(function: Callable[[T], R]) -> Callable[[tuple[Tag, T]], tuple[Tag, R]]:
    """The function for items that have a tag, which stays with them."""
    return lambda tagged: (tagged[0], function(tagged[1]))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3


def canvas_of(runner: Runner | HeadRunner, fit: Fit | None) -> Canvas:
    """The canvas that images are brought to; `fit` overrides what the network says."""
    _, _, height, width = runner.input_shape
    return Canvas(height, width, fit or runner.info.fit)
