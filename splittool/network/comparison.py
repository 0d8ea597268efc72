"""Crossing tensors against the compressed input: bytes, accuracy and work on the device."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from splittool.codec.frame import decode_frame, encode_frame
from splittool.codec.tensors import Sending
from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split, tensor_record
from splittool.data import scores
from splittool.data.image_codecs import LOSSLESS, require, through
from splittool.data.images import Canvas, Fit, Pixels
from splittool.data.kaggle import Labels, Sample
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import make_halves
from splittool.graph.reading import load_model
from splittool.graph.split_points import find_cut
from splittool.reports import ArmRecord
from splittool.runtime.core import core
from splittool.runtime.devices import compile_model
from splittool.runtime.image_ports import put_maps, take_pixels
from splittool.runtime.info import ModelInfo, read_info
from splittool.split.link import tensor_spec
from splittool.split.runners import to_planes

Counts = NDArray[np.int64]

_CUT_ID = bytes(16)  # frames that never leave the process


@dataclass(frozen=True)
class Grid:
    """What to compare.

    Attributes:
        points: Split points.
        bits: Bits per element of real crossing tensors.
        codecs: Of `splittool.codec.payload.CODECS`; they are lossless and differ in bytes alone.
        formats: Of `splittool.data.image_codecs.FORMATS`.
        qualities: Of the lossy formats.
    """

    points: tuple[str, ...]
    bits: tuple[int, ...]
    codecs: tuple[str, ...]
    formats: tuple[str, ...]
    qualities: tuple[int, ...]


@dataclass
class _Arm:
    """One way to get masks, and what it came to so far."""

    record: ArmRecord
    sent: list[int] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)

    def finish(self, pixels: float, whole: float | None) -> ArmRecord:
        """Means over images; `pixels` is those of a mean image, `whole` the Dice to lose from."""
        counts = np.stack(self.counts)
        found = scores.summarise(scores.tally(counts))
        payload = float(np.mean(self.sent))
        values = {name: getattr(self.record, name) for name in _ARM_NAMES}
        return ArmRecord(
            **values,
            payload_bytes_per_frame=payload,
            bits_per_pixel=payload * 8 / pixels,
            dice=found.dice,
            dice_interval=scores.dice_interval(counts),
            dice_loss=None if found.dice is None or whole is None else whole - found.dice,
            pooled_dice=found.pooled_dice,
            kaggle=found.kaggle,
        )


_ARM_NAMES = ("kind", "point", "bits", "codec", "quality", "edge_gflops")


class Comparison:
    """A network, whole and cut at several points, on labelled images.

    Args:
        path: Any model file.
        grid: What to compare.
        device: Where everything runs.
        precision: Of the computation, "auto" or a number type.
        shapes: Input shapes to set, as `load_model` takes them.

    Raises:
        InputError: The model is no segmentation network, or has no such split point.
        UsageError: A format is unknown.
        MissingExtraError: A format cannot be written here.
    """

    def __init__(
        self, path: Path, grid: Grid, device: str, precision: str, shapes: Sequence[str] = ()
    ) -> None:
        for name in grid.formats:
            require(name)
        model = load_model(path, shapes)
        self.info: ModelInfo = read_info(model)
        model = take_pixels(path, model, None)
        self.input_shape = tuple(model.inputs[0].get_shape())
        model, self.maps = put_maps(path, model, self.input_shape, self.info)
        self._grid = grid
        self._options = (device, precision)
        self._whole = self._request(model)
        graph = read_graph(model)
        self._cuts = [_Cut(self, model, graph, point) for point in grid.points]
        costs = operation_costs(graph).values()
        self._gflops = sum(cost.flops or 0 for cost in costs) / 1e9

    def _request(self, model: ov.Model) -> ov.InferRequest:
        compiled = compile_model(core(), model, *self._options)
        self.precision_actual = compiled.precision
        return compiled.model.create_infer_request()

    def canvas(self, fit: Fit | None) -> Canvas:
        """What images are fitted to."""
        return Canvas(self.input_shape[2], self.input_shape[3], fit or self.info.fit)

    def run(
        self,
        samples: Sequence[Sample],
        classes: list[str],
        canvas: Canvas,
        threshold: float,
        advance: Callable[[], object] = lambda: None,
    ) -> list[ArmRecord]:
        """Score every arm on every image.

        Args:
            samples: Images with labels.
            classes: Names of the output maps.
            canvas: What images are fitted to.
            threshold: Probability from which a pixel belongs to a class.
            advance: Called once per image.

        Returns:
            The whole network first, then cuts, then image formats.
        """
        arms: dict[ArmRecord, _Arm] = {}
        for sample in samples:
            pixels, truth = sample.image(), sample.masks(classes)
            for record, sent, maps in self._arms(sample, pixels, canvas):
                masks = canvas.restore(maps, sample.height, sample.width) >= threshold
                arm = arms.setdefault(record, _Arm(record))
                arm.sent.append(sent)
                arm.counts.append(scores.count(masks, truth))
            advance()
        area = float(np.mean([sample.height * sample.width for sample in samples]))
        first = next(iter(arms.values()))
        whole = scores.summarise(scores.tally(np.stack(first.counts))).dice
        return [arm.finish(area, whole) for arm in arms.values()]

    def _arms(
        self, sample: Sample, pixels: Pixels, canvas: Canvas
    ) -> Iterator[tuple[ArmRecord, int, NDArray[np.float32]]]:
        """(arm, bytes sent, probabilities) of one image."""
        fitted = canvas.image(pixels)
        maps = self.predict(fitted)
        yield ArmRecord("whole", edge_gflops=self._gflops), 0, maps
        yield ArmRecord("image", codec="file"), sample.path.stat().st_size, maps
        for cut in self._cuts:
            yield from cut.arms(fitted, self._grid)
        for name in self._grid.formats:
            for quality in (0,) if name in LOSSLESS else self._grid.qualities:
                sent, arrived = through(pixels, name, quality)
                lossless = name in LOSSLESS
                record = ArmRecord("image", codec=name, quality=None if lossless else quality)
                yield record, sent, maps if lossless else self.predict(canvas.image(arrived))

    def predict(self, fitted: Pixels) -> NDArray[np.float32]:
        """(H, W, 3) pixels of the canvas's size to (C, H, W) probabilities."""
        return np.array(self._whole.infer([to_planes(fitted)])[0][0])


class _Cut:
    """Head and tail at one point, in memory."""

    def __init__(self, whole: Comparison, model: ov.Model, graph: Graph, point: str) -> None:
        cut = find_cut(graph, point)
        head, tail = make_halves(model, graph, cut)
        self._head, self._tail = whole._request(head), whole._request(tail)
        self._specs = [tensor_spec(tensor_record(tensor)) for tensor in cut.tensors]
        self._gflops = describe_split(graph, cut, operation_costs(graph)).head_gflops
        self._point = point

    def arms(
        self, fitted: Pixels, grid: Grid
    ) -> Iterator[tuple[ArmRecord, int, NDArray[np.float32]]]:
        """(arm, bytes sent, probabilities) of every precision and codec."""
        results = [np.array(value) for value in self._head.infer([to_planes(fitted)]).values()]
        for bits in grid.bits:
            frames = {
                codec: encode_frame(
                    _CUT_ID, 0, self._specs, results, [Sending(bits, codec)] * len(results)
                )
                for codec in grid.codecs
            }
            received = decode_frame(frames[grid.codecs[0]], _CUT_ID, self._specs).tensors
            maps = np.array(self._tail.infer(received)[0][0])
            for codec, frame in frames.items():
                record = ArmRecord(
                    "cut", point=self._point, bits=bits, codec=codec, edge_gflops=self._gflops
                )
                yield record, len(frame), maps


def samples_of(images: Sequence[Path], labels: Labels | None, canvas: Canvas) -> list[Sample]:
    """Images with their labels, checked before the first is predicted.

    Raises:
        InputError: There are no labels, or an image does not fit.
    """
    if labels is None:
        raise InputError(
            f"there is no train.csv beside {images[0]}; comparing needs labels: give --labels"
        )
    samples = [labels.sample(path) for path in images]
    for sample in samples:
        canvas.check(sample.path, sample.height, sample.width)
    return samples
