"""Every way to get masks from an image: networks run whole, cuts with their link, sent inputs."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from splittool.codec.frame import decode_frame, encode_frame
from splittool.codec.tensors import Sending, TensorSpec
from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split, tensor_record
from splittool.data.image_codecs import LOSSLESS, Arrived, Coding, through
from splittool.data.images import Canvas, Pixels
from splittool.data.kaggle import Sample
from splittool.errors import InputError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import make_halves
from splittool.graph.split_points import find_cut
from splittool.network.coarse_answers import SCALES, send_coarsely
from splittool.network.network import Network
from splittool.reports import ArmRecord, FileRecord, file_record
from splittool.split import latent
from splittool.split.evaluation import Task
from splittool.split.link import tensor_spec
from splittool.split.options import RunOptions
from splittool.split.runners import (
    HeadRunner,
    Inference,
    TailRunner,
    WholeRunner,
    canvas_of,
)
from splittool.split.split_network import SplitNetwork

_CUT_ID = bytes(16)  # frames that never leave the process


@dataclass(frozen=True)
class Grid:
    """Everything that is compared.

    Attributes:
        at: Split points of the network.
        bits: Bits of each element of their crossing tensors.
        codecs: Codecs of these.
        formats: Image formats of the input.
        qualities: Qualities of the lossy ones.
        halved: Whether the input is also sent at half its height and width.
        clouds: Other networks that run in the cloud, on the sent input.
        devices: Other networks that run on the device.
        cuts: Cuts on disk.
    """

    at: Sequence[str]
    bits: Sequence[int]
    codecs: Sequence[str]
    formats: Sequence[str]
    qualities: Sequence[int]
    halved: bool = True
    clouds: Sequence[Network] = ()
    devices: Sequence[Network] = ()
    cuts: Sequence[SplitNetwork] = ()

    @property
    def described(self) -> list[object]:
        """What is compared, apart from files."""
        sent = [list(self.formats), list(self.qualities), self.halved]
        return [list(self.at), list(self.bits), list(self.codecs), *sent, list(SCALES)]

    @property
    def files(self) -> list[FileRecord]:
        """The files of the other networks, and the cut.json of the cuts."""
        networks = dict.fromkeys([*self.clouds, *self.devices])
        files = [file_record(cut.path) for cut in self.cuts]
        return [*(network.record for network in networks), *files]


@dataclass(frozen=True)
class Way:
    """One way that an image went.

    Attributes:
        arm: What is known of it beforehand.
        sent: Bytes; None where they are those of the masks, which nobody has seen yet.
        bare: Bytes without the container of an image format.
        coding: How long these bytes took; None where nothing is coded, or not yet.
    """

    arm: ArmRecord
    sent: int | None
    bare: int | None = None
    coding: Coding | None = None


_Found = Iterator[tuple[Way, Inference]]


class Arms:
    """Every way to get masks from an image.

    Args:
        network: The network that is compared.
        grid: What it is compared with.
        options: Where everything runs.

    Raises:
        InputError: A network or a cut is not usable, or has other classes.
        DeviceError: The device is not there.
    """

    def __init__(self, network: Network, grid: Grid, options: RunOptions) -> None:
        graph, whole = network.graph, network.runner(options)
        self.whole = _Whole(None, whole, graph, options)
        opened: dict[Network, _Whole] = {}
        for other in [*grid.clouds, *grid.devices]:
            if other not in opened:
                opened[other] = _other_network(other, whole, options)
        self._clouds = [self.whole, *(opened[other] for other in grid.clouds)]
        self._devices = [opened[other] for other in grid.devices]
        halves = [
            _cut_in_onnx(network, at, options)
            if options.runtime == "onnxruntime"
            else _cut_in_openvino(whole, network, at, options)
            for at in grid.at
        ]
        self._cuts = [_CutArms(at, graph, *both) for at, both in zip(grid.at, halves, strict=True)]
        self._split = [_SplitArms(cut, whole, options) for cut in grid.cuts]
        self._grid = grid

    @property
    def files(self) -> list[FileRecord]:
        """Files of the other networks and cuts."""
        return self._grid.files

    def ways(self, task: Task, sample: Sample, pixels: Pixels) -> _Found:
        """What comes of one image, in every way."""
        whole = self.whole.run(pixels)
        yield Way(self.whole.arm("whole"), 0), whole
        yield from self._answers(self.whole, whole, task, sample)
        for other in self._devices:
            yield from self._answers(other, other.run(pixels), task, sample)
        if sample.file_bytes is not None:
            arm = changed(self.whole.arm("image"), codec="file")
            yield Way(arm, sample.file_bytes), whole
        fitted = task.canvas.image(pixels)
        for cut in self._cuts:
            yield from cut.ways(fitted, self._grid)
        for split in self._split:
            yield split.way(pixels)
        yield from self._images(pixels, whole)

    def _answers(self, of: "_Whole", found: Inference, task: Task, sample: Sample) -> _Found:
        """The masks of a network, coded as they are and coarser."""
        arm = of.arm("answer")
        yield Way(arm, None), found
        maps = of.restored(found, sample.height, sample.width)
        for scale in SCALES:
            sent = send_coarsely(maps, task.threshold, scale)
            way = Way(changed(arm, scale=scale), sent.bytes, coding=sent.coding)
            yield way, Inference(sent.maps, canvas=Canvas(sample.height, sample.width))

    def _images(self, pixels: Pixels, whole: Inference) -> _Found:
        for sent, arrived in sent_images(pixels, self._grid):
            for cloud in self._clouds:
                arm = changed(cloud.arm("image"), **sent)
                lossless_here = sent["quality"] is None and cloud is self.whole
                found = whole if lossless_here else cloud.run(arrived.pixels)
                yield Way(arm, arrived.sent, arrived.bare, arrived.coding), found


@dataclass(frozen=True)
class Received:
    """Crossing tensors after the link.

    Attributes:
        bytes: Of the frame.
        tensors: What the tail gets.
        coding: How long it took.
    """

    bytes: int
    tensors: Sequence[NDArray[Any]]
    coding: Coding


def over_the_link(
    specs: Sequence[TensorSpec],
    tensors: Sequence[NDArray[Any]],
    sending: Sending,
    short: bool = False,
) -> Received:
    """Code tensors, all in the same way, and decode them."""
    started = perf_counter()
    frame = encode_frame(_CUT_ID, 0, specs, tensors, [sending] * len(specs), short=short)
    coded = perf_counter()
    received = decode_frame(frame, _CUT_ID, specs).tensors
    coding = Coding((coded - started) * 1e3, (perf_counter() - coded) * 1e3)
    return Received(len(frame), received, coding)


def sent_images(pixels: Pixels, grid: Grid) -> Iterator[tuple[dict[str, Any], Arrived]]:
    """An image in every format, quality and size: what its arm has of them, and what arrives."""
    for name in grid.formats:
        lossless = name in LOSSLESS
        for halved in (False, True) if grid.halved and not lossless else (False,):
            for quality in (0,) if lossless else grid.qualities:
                quality_sent, scale = None if lossless else quality, 0.5 if halved else 1.0
                arm = {"codec": name, "quality": quality_sent, "scale": scale}
                yield arm, through(pixels, name, quality, halved)


def cut_arm(point: str, graph: Graph) -> ArmRecord:
    """What a cut leaves to both sides."""
    costs = operation_costs(graph)
    price = describe_split(graph, find_cut(graph, point), costs)
    parameters = sum(cost.parameters for cost in costs.values())
    return ArmRecord(
        "cut",
        point=point,
        edge_gflops=price.head_gflops,
        edge_parameters=price.head_parameters,
        cloud_gflops=price.tail_gflops,
        cloud_parameters=parameters - price.head_parameters,
    )


class _Whole:
    """A network that runs as one, with images fitted to its own canvas."""

    def __init__(
        self, name: str | None, runner: WholeRunner, graph: Graph, options: RunOptions
    ) -> None:
        costs = operation_costs(graph).values()
        self.runner = runner
        self._gflops = sum(cost.flops or 0 for cost in costs) / 1e9
        self._parameters = sum(cost.parameters for cost in costs)
        self._name, self._canvas = name, canvas_of(runner, options.fit)

    def arm(self, kind: str) -> ArmRecord:
        """All on the device; for a sent input, all in the cloud."""
        here, there = (self._gflops, self._parameters), (0.0, 0)
        edge, cloud = (there, here) if kind == "image" else (here, there)
        return ArmRecord(
            kind,  # type: ignore[arg-type]
            network=self._name,
            edge_gflops=edge[0],
            edge_parameters=edge[1],
            cloud_gflops=cloud[0],
            cloud_parameters=cloud[1],
        )

    def run(self, pixels: Pixels) -> Inference:
        """What comes of one image of any size."""
        found = self.runner.run(self._canvas.image(pixels))
        return replace(found, canvas=self._canvas)

    def restored(self, found: Inference, height: int, width: int) -> NDArray[np.float32]:
        """(C, height, width) probabilities of an image of this size."""
        return self._canvas.restore(found.probabilities, height, width)


def _other_network(network: Network, whole: WholeRunner, options: RunOptions) -> _Whole:
    source = network.path or network.name
    runner = network.runner(options)
    _require_same_classes(source, runner.info.classes, runner.maps, whole)
    return _Whole(str(source), runner, network.graph, options)


def _require_same_classes(
    source: Path | str, classes: Sequence[str], maps: int, whole: WholeRunner
) -> None:
    known = whole.info.classes
    if maps != whole.maps or (classes and known and list(classes) != list(known)):
        raise InputError(
            f"{source} predicts {', '.join(classes) or maps}, and {whole.source}"
            f" {', '.join(known) or whole.maps}; compare networks of the same classes"
        )


class _SplitArms:
    """A cut on disk, sent as it is by default."""

    def __init__(self, split: SplitNetwork, whole: WholeRunner, options: RunOptions) -> None:
        self._runner = split.runner(options)
        _require_same_classes(split.path, self._runner.info.classes, self._runner.maps, whole)
        self._canvas = canvas_of(self._runner, options.fit)
        price, link = split.report.split, self._runner.link
        tail = operation_costs(read_graph(split.halves.tail))
        self._arm = ArmRecord(
            "cut",
            network=str(split.path),
            point=split.point,
            bits=link.common_bits,
            codec=link.codec,
            edge_gflops=price.head_gflops,
            edge_parameters=price.head_parameters,
            cloud_gflops=price.tail_gflops,
            cloud_parameters=sum(cost.parameters for cost in tail.values()),
        )

    def way(self, pixels: Pixels) -> tuple[Way, Inference]:
        """What comes of one image of any size."""
        found = self._runner.run(self._canvas.image(pixels))
        assert found.encode_ms is not None
        assert found.decode_ms is not None
        coding = Coding(found.encode_ms, found.decode_ms)
        way = Way(self._arm, found.payload_bytes, coding=coding)
        return way, replace(found, canvas=self._canvas)


def _cut_in_openvino(
    whole: WholeRunner, network: Network, point: str, options: RunOptions
) -> tuple[HeadRunner, TailRunner]:
    cut = find_cut(network.graph, point)
    halves = make_halves(network.model, network.graph, cut)
    specs = [tensor_spec(tensor_record(tensor)) for tensor in cut.tensors]
    head = HeadRunner(whole.source, halves.head, whole.info, specs, options)
    return head, TailRunner(halves.tail, head, options.precision, options.device)


def _cut_in_onnx(
    network: Network, point: str, options: RunOptions
) -> tuple[HeadRunner, TailRunner]:
    """Halves that ONNX Runtime has loaded; it needs their files no more."""
    with tempfile.TemporaryDirectory(prefix="splittool-") as folder:
        split = network.cut(point).write(folder, form="onnx")
        head = split.head(options)
        return head, split.tail(head, options)


class _CutArms:
    """Head and tail at one split point, at every precision and with every codec."""

    def __init__(self, point: str, graph: Graph, head: HeadRunner, tail: TailRunner) -> None:
        self._head, self._tail = head, tail
        codec_model = latent.model_of(head.info, head.specs)
        self._latent = (
            None if codec_model is None else latent.whole_numbers(head.specs[0], codec_model)
        )
        self._arm = cut_arm(point, graph)

    def ways(self, fitted: Pixels, grid: Grid) -> _Found:
        """What comes of one fitted image."""
        specs, tensors = self._head.specs, [np.array(t) for t in self._head.run(fitted)]
        codecs = grid.codecs
        if self._latent is not None:
            sending = latent.SENDING
            sent = over_the_link([self._latent], tensors, sending, short=True)
            found = Inference(self._tail.run(sent.tensors))
            arm = changed(self._arm, bits=sending.bits, codec=sending.codec)
            yield Way(arm, sent.bytes, coding=sent.coding), found
        for bits in grid.bits:
            ways = {codec: over_the_link(specs, tensors, Sending(bits, codec)) for codec in codecs}
            found = Inference(self._tail.run(ways[codecs[0]].tensors))
            for codec, sent in ways.items():
                arm = changed(self._arm, bits=bits, codec=codec)
                yield Way(arm, sent.bytes, coding=sent.coding), found
