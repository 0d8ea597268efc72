"""Cuts of a network beside its compressed input: bytes, accuracy and work on the device."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from statistics import fmean

import numpy as np
import openvino as ov

from splittool.codec.choices import CODEC_NAMES, check_bits
from splittool.codec.frame import decode_frame, encode_frame
from splittool.codec.tensors import Sending
from splittool.cost.operations import operation_costs
from splittool.cost.splits import describe_split, tensor_record
from splittool.data import scores
from splittool.data.image_codecs import LOSSLESS, available, require, through
from splittool.data.images import Pixels
from splittool.data.kaggle import Sample
from splittool.data.samples import Pictures, Truth
from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph, read_graph
from splittool.graph.halves import make_halves
from splittool.graph.split_points import find_cut
from splittool.network.network import Network
from splittool.progress import Progress, nobody
from splittool.reports import ArmRecord, CompareReport
from splittool.split.evaluation import Counts, Evaluated, Task, evaluate, in_turn, make_task
from splittool.split.link import tensor_spec
from splittool.split.options import RunOptions
from splittool.split.runners import (
    HeadRunner,
    Inference,
    TailRunner,
    WholeRunner,
    put_maps,
    take_pixels,
)

BITS = (16, 8, 6, 4, 3, 2)
QUALITIES = (95, 85, 75, 50, 30, 20, 10, 5)

_CUT_ID = bytes(16)  # frames that never leave the process


@dataclass(frozen=True)
class CompareOptions:
    """What to compare beside the split points and their bits.

    Attributes:
        codecs: Codecs of the link; they are lossless and differ in bytes alone. None takes all
            that are installed.
        formats: Image formats of the input; None takes all that can be written.
        qualities: Qualities of the lossy formats, 1 to 100.
        run: Where everything runs, and the threshold.
    """

    codecs: Sequence[str] | None = None
    formats: Sequence[str] | None = None
    qualities: Sequence[int] = QUALITIES
    run: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True)
class _Grid:
    """Everything that is compared."""

    at: Sequence[str]
    bits: Sequence[int]
    codecs: Sequence[str]
    formats: Sequence[str]
    qualities: Sequence[int]

    @staticmethod
    def of(
        network: Network, at: Sequence[str] | None, bits: Sequence[int], how: CompareOptions
    ) -> "_Grid":
        """What was left open filled in, and everything checked; see `compare` for errors."""
        at = list(network.info.split_points if at is None else at)
        if not at:
            raise UsageError(f"{network.name} names no split points; name them with `at`")
        formats = available() if how.formats is None else list(how.formats)
        for name in formats:
            require(name)
        for quality in how.qualities:
            if not 1 <= quality <= 100:
                raise UsageError(f"`qualities` {quality} is out of range; give 1 to 100")
        bits = [check_bits(number) for number in bits]
        return _Grid(at, bits, _codecs(how.codecs), formats, how.qualities)


def _codecs(given: Sequence[str] | None) -> Sequence[str]:
    if given is None:
        return [name for name in CODEC_NAMES if name != "small" or find_spec("imagecodecs")]
    for name in given:
        if name not in CODEC_NAMES:
            raise UsageError(f"unknown codec {name!r}; give some of: {', '.join(CODEC_NAMES)}")
    return given


@dataclass(frozen=True)
class _Sent:
    """One image that went one way: the bytes sent, and the pixels counted."""

    arm: ArmRecord
    sent: int
    counts: Counts


def compare(
    network: Network,
    images: Pictures,
    at: Sequence[str] | None = None,
    bits: Sequence[int] = BITS,
    labels: Truth = None,
    how: CompareOptions | None = None,
    progress: Progress = nobody,
) -> CompareReport:
    """Score a network whole, cut at several points, and on compressed images.

    Args:
        network: A segmentation network.
        images: Images with labels.
        at: Split points; None takes all that the network names.
        bits: Bits per element of crossing tensors.
        labels: True masks; None takes the train.csv beside the images.
        how: What else to compare, and where everything runs.
        progress: Told after each image.

    Returns:
        The whole network first, then cuts, then image formats.

    Raises:
        InputError: An image, the labels or the network is not usable.
        UsageError: A codec, format, number of bits or quality is unknown, or the network names
            no split points and none is given.
        MissingExtraError: An image format cannot be written here.
    """
    how = how or CompareOptions()
    options, grid = how.run, _Grid.of(network, at, bits, how)
    arms = _Arms(network, grid, options)
    task = make_task(images, labels, arms.whole, options)
    if not task.labelled:
        raise InputError(
            f"there is no train.csv beside {task.samples[0].path}; comparing needs labels:"
            " give `labels`"
        )
    found: dict[ArmRecord, list[_Sent]] = {}
    ways = in_turn(lambda *image: arms.ways(task, *image))
    for one in evaluate(task, ways, _finish, progress):
        found.setdefault(one.arm, []).append(one)
    area = fmean(sample.height * sample.width for sample in task.samples)
    whole = _scores(next(iter(found.values()))).dice
    defective = sum(int((one.counts[:, 2] > 0).sum()) for one in next(iter(found.values())))
    pairs = len(task.samples) * len(task.classes)
    return CompareReport(
        source=network.record,
        device=options.device,
        precision_requested=options.precision,
        precision_actual=arms.whole.compiled.precision,
        threshold=options.threshold,
        images=len(task.samples),
        defective_pairs=defective,
        floor=1 - defective / pairs,
        arms=[_summary(arm, members, area, whole) for arm, members in found.items()],
    )


_Way = tuple[ArmRecord, int]


def _finish(one: Evaluated[_Way]) -> _Sent:
    assert one.counts is not None
    return _Sent(*one.way, one.counts)


class _Arms:
    """Every way to get masks from an image."""

    def __init__(self, network: Network, grid: _Grid, options: RunOptions) -> None:
        source = network.path or network.name
        model = take_pixels(source, network.model, options.normalisation)
        shape = tuple(model.inputs[0].get_shape())
        model, _ = put_maps(source, model, shape, network.info)
        graph = read_graph(model)
        self.whole = WholeRunner(source, model.clone(), network.info, options)
        self._grid = grid
        self._cuts = [_CutArms(self.whole, model, graph, at, options) for at in grid.at]
        self._gflops = sum(cost.flops or 0 for cost in operation_costs(graph).values()) / 1e9

    def ways(self, task: Task, sample: Sample, pixels: Pixels) -> Iterator[tuple[_Way, Inference]]:
        """What comes of one image, in every way."""
        fitted = task.canvas.image(pixels)
        whole = self.whole.run(fitted)
        yield (ArmRecord("whole", edge_gflops=self._gflops), 0), whole
        if sample.file_bytes is not None:
            yield (ArmRecord("image", codec="file"), sample.file_bytes), whole
        for cut in self._cuts:
            yield from cut.ways(fitted, self._grid)
        for name in self._grid.formats:
            lossless = name in LOSSLESS
            for quality in (0,) if lossless else self._grid.qualities:
                sent, arrived = through(pixels, name, quality)
                arm = ArmRecord("image", codec=name, quality=None if lossless else quality)
                found = whole if lossless else self.whole.run(task.canvas.image(arrived))
                yield (arm, sent), found


class _CutArms:
    """Head and tail at one split point, at every precision and with every codec."""

    def __init__(
        self, whole: WholeRunner, model: ov.Model, graph: Graph, point: str, options: RunOptions
    ) -> None:
        cut = find_cut(graph, point)
        head, tail = make_halves(model, graph, cut)
        specs = [tensor_spec(tensor_record(tensor)) for tensor in cut.tensors]
        self._head = HeadRunner(whole.source, head, whole.info, specs, options)
        self._tail = TailRunner(tail, self._head, options.precision, options.device)
        self._gflops = describe_split(graph, cut, operation_costs(graph)).head_gflops
        self._point = point

    def ways(self, fitted: Pixels, grid: _Grid) -> Iterator[tuple[_Way, Inference]]:
        """What comes of one fitted image."""
        specs, tensors = self._head.specs, [np.array(t) for t in self._head.run(fitted)]
        codecs = grid.codecs
        for bits in grid.bits:
            frames = {
                codec: encode_frame(_CUT_ID, 0, specs, tensors, [Sending(bits, codec)] * len(specs))
                for codec in codecs
            }
            received = decode_frame(frames[codecs[0]], _CUT_ID, specs).tensors
            found = Inference(self._tail.run(received))
            for codec, frame in frames.items():
                arm = ArmRecord(
                    "cut", point=self._point, bits=bits, codec=codec, edge_gflops=self._gflops
                )
                yield (arm, len(frame)), found


def _scores(members: Sequence[_Sent]) -> scores.Scores:
    return scores.summarise(scores.tally(np.stack([one.counts for one in members])))


_ARM_NAMES = ("kind", "point", "bits", "codec", "quality", "edge_gflops")


def _summary(
    arm: ArmRecord, members: Sequence[_Sent], pixels: float, whole: float | None
) -> ArmRecord:
    """Means over images; `pixels` is those of a mean image, `whole` the Dice to lose from."""
    found = _scores(members)
    counts = np.stack([one.counts for one in members])
    payload = fmean(one.sent for one in members)
    return ArmRecord(
        **{name: getattr(arm, name) for name in _ARM_NAMES},
        payload_bytes_per_frame=payload,
        bits_per_pixel=payload * 8 / pixels,
        dice=found.dice,
        dice_interval=scores.dice_interval(counts),
        dice_loss=None if found.dice is None or whole is None else whole - found.dice,
        pooled_dice=found.pooled_dice,
        kaggle=found.kaggle,
        dice_interval_images=scores.defective_images(counts),
    )
