"""The edge's side: pictures in, frames out, masks back, every frame exactly once and in order."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splittool.data import rle
from splittool.data.images import Canvas
from splittool.data.kaggle import write_labels
from splittool.data.overlays import label_image
from splittool.errors import InputError, StoppedError, UncalibratedError, UsageError
from splittool.files import make_folder, replacing, sha256, write_bytes
from splittool.interrupt import Interrupt
from splittool.progress import Progress, nobody
from splittool.reports import SendReport, encode, file_record
from splittool.serving.connection import Address, Connection, FinalError, TransientError
from splittool.serving.delivery import Deliverer, Parcel, Policy, Result
from splittool.serving.journal import Heading, Line, Results
from splittool.serving.precision import PrecisionControl
from splittool.serving.sources import Source, paced
from splittool.serving.tally import Tally
from splittool.split.evaluation import class_names
from splittool.split.link import Link
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.pipeline import Clock, ahead, each, ordered
from splittool.split.runners import HeadRunner, TailRunner
from splittool.split.segmentation import Segmentation, segment
from splittool.split.split_network import SplitNetwork

LADDER = (8, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class SendOptions:
    """How pictures are sent.

    Attributes:
        run: Where the head runs, and the threshold.
        link: How crossing tensors become bytes.
        policy: What to do when the server does not answer.
        model: Name, or name and version, on the server; None takes the only one there.
        window: Frames that are sent before the first is answered.
        target_fps: Offer so many pictures a second, and choose the bits by the link; None sends as
            quickly as it goes, with the bits of `link`.
        fresh: Begin anew, whatever results there are.
    """

    run: RunOptions = field(default_factory=RunOptions)
    link: LinkOptions = field(default_factory=LinkOptions)
    policy: Policy = field(default_factory=Policy)
    model: str | None = None
    window: int = 4
    target_fps: float | None = None
    fresh: bool = False


def send(
    split: SplitNetwork,
    source: Source,
    address: Address,
    folder: Path,
    options: SendOptions,
    progress: Progress = nobody,
) -> SendReport:
    """Send pictures to a server, and write down the masks that it answers.

    In the folder: results.jsonl, one line for each frame in order, masks/ with a label map for
    each, and in the end predictions.csv and report.json. A run that was killed goes on after the
    last line of results.jsonl.

    Args:
        split: The cut; its head runs here.
        source: The pictures.
        address: The server.
        folder: Where results go.
        options: How pictures are sent.
        progress: Told after each frame; `what` has the live figures.

    Raises:
        InputError: A picture, the cut or what the server says of it is not usable.
        DeviceError: The server does not answer, and nothing else is to be done.
        OutputError: A result cannot be written; those before it are there.
        StoppedError: A signal ended it; results so far are there.
    """
    make_folder(folder / "masks")
    edge = Edge(split, options)
    heading = Heading(
        sha256(split.path), edge.classes, list(source.label), options.policy.threshold
    )
    connection = Connection(address)
    try:
        with Results(folder, heading, options.fresh) as journal:
            deliverer = edge.deliverer(connection)
            with Interrupt(deliverer.stop) as interrupt:
                try:
                    tally = _run(edge, source, deliverer, journal, folder, progress)
                except StoppedError as error:
                    code = interrupt.exit_code or error.exit_code
                    raise StoppedError(f"{error}; run it again to go on", code) from None
            report = tally.report(journal.lines(), edge.clock)
            report.source, report.cut = file_record(split.path), split.point
            report.server, report.folder = address.target, str(folder)
            write_bytes(folder / "predictions.csv", _table(journal.lines()))
            write_bytes(folder / "report.json", encode(report))
            return report
    finally:
        connection.close()


def _run(
    edge: "Edge",
    source: Source,
    deliverer: Deliverer,
    journal: Results,
    folder: Path,
    progress: Progress,
) -> Tally:
    """Everything between pictures and results."""
    tally, known = Tally(journal.done), source.total
    results = edge.results(source, journal.done, deliverer, tally)
    try:
        for result in results:
            if result.found is not None:
                _write_masks(result, len(edge.classes), folder)
            journal.add(_line(result, edge.classes))
            tally.add(result)
            total = known if known is not None else journal.done
            progress(journal.done, total, f"frames, {tally.live()}")
    finally:
        deliverer.stopped.set()  # before threads that wait for an answer are waited for
        results.close()
    return tally


class Edge:
    """Head, links and tail of one cut, on the device.

    Args:
        split: The cut.
        options: How pictures are sent.

    Raises:
        InputError: The cut or its calibration is not usable.
        UsageError: Frames would say what changed, or there are no bits to choose from.
        DeviceError: The device is not there.
    """

    def __init__(self, split: SplitNetwork, options: SendOptions) -> None:
        if options.link.key_interval > 1:
            raise UsageError(
                "a server keeps no frame to predict the next from; leave out `key_interval`"
            )
        self.options, self.clock = options, Clock()
        self._split = split
        self._head: HeadRunner = split.head(options.run)
        self._canvas: Canvas = split.canvas(options.run)
        self._tail: TailRunner | None = None
        maps = len(split.info.classes)
        if options.policy.fallback == "edge" or not maps:
            self._tail = split.tail(self._head, options.run)
            maps = self._tail.maps
        self.classes = class_names(split.info.classes, None, maps)
        self._links = self._make_links()
        self._control = (
            PrecisionControl([bits for bits in self._links if bits], options.target_fps)
            if options.target_fps
            else None
        )

    def _make_links(self) -> dict[int | None, Link]:
        """One for each number of bits that may be sent with."""
        if self.options.target_fps is None:
            link = self._split.link(self.options.link)
            return {link.common_bits: link}
        found: dict[int | None, Link] = {}
        for bits in LADDER:
            how = LinkOptions(bits, self.options.link.codec, self.options.link.ranges)
            try:
                found[bits] = self._split.link(how)
            except UncalibratedError:
                continue
        if not found:
            raise InputError(f"{self._split.path} is not calibrated for any of {LADDER} bits")
        return found

    def deliverer(self, connection: Connection) -> Deliverer:
        """What sends the frames.

        Raises:
            DeviceError: The server does not answer.
            InputError: It has several models, and none is named.
        """
        policy = self.options.policy
        alone = self._alone if policy.fallback == "edge" else None
        name, _, version = (self.options.model or "").partition(":")
        model = (name, version) if name else self._only_model(connection)
        return Deliverer(connection, model, len(self.classes), policy, alone)

    def _only_model(self, connection: Connection) -> tuple[str, str]:
        """The only model of the server; a server that does not answer now is asked by the name."""
        folder = self._split.path.resolve().parent.name
        try:
            names = sorted({name for name, _ in connection.models(self.options.policy.timeout)})
        except TransientError:
            return folder, ""
        except FinalError as error:
            raise error.error from None
        if len(names) == 1:
            return names[0], ""
        if folder in names:
            return folder, ""
        raise InputError(f"the server has the models {', '.join(names)}; name one with `model`")

    def results(
        self, source: Source, skip: int, deliverer: Deliverer, tally: Tally
    ) -> Generator[Result, None, None]:
        """Results of pictures, in order; reading, head, encoder and sender overlap."""
        pictures = source.pictures(skip)
        if self.options.target_fps is not None:
            pictures = paced(pictures, self.options.target_fps)
        read = ahead(pictures)
        head = self.clock.timed("head", self._start)
        encode = self.clock.timed("encode", self._encode)
        numbers = count(skip)
        taken = ahead(each(lambda picture: Parcel(next(numbers), *picture), read))
        started = ahead(each(head, taken))
        coded = ahead(each(lambda parcel: tally.sent(encode(parcel)), started))
        send = self.clock.timed("send", deliverer.deliver, self.options.window)
        sent = ordered(send, coded, self.options.window)
        return ahead(each(lambda result: self._noted(result, tally), sent))

    def _noted(self, result: Result, tally: Tally) -> Result:
        waiting = tally.answered()
        if self._control is not None:
            self._control.answered(waiting >= self.options.window)
        return result

    def _start(self, parcel: Parcel) -> Parcel:
        height, width = parcel.pixels.shape[:2]
        self._canvas.check(Path(parcel.name), height, width)
        found = self._head.run(self._canvas.image(parcel.pixels))
        parcel.tensors = [tensor.copy() for tensor in found]
        return parcel

    def _encode(self, parcel: Parcel) -> Parcel:
        bits = next(iter(self._links)) if self._control is None else self._control.bits
        link = self._links[bits]
        parcel.frame = link.encode(parcel.frame_id, parcel.tensors)
        parcel.bits, parcel.cut_id = bits, link.cut_id
        if self._tail is None:
            parcel.tensors = []
        return parcel

    def _alone(self, parcel: Parcel) -> Segmentation:
        """The whole network on the device: nothing is quantised."""
        assert self._tail is not None
        height, width = parcel.pixels.shape[:2]
        probabilities = self._tail.run(parcel.tensors)
        threshold = self.options.policy.threshold
        return segment(probabilities, self._canvas, height, width, threshold)


def _line(result: Result, classes: list[str]) -> Line:
    parcel, found = result.parcel, result.found
    masks: Sequence[NDArray[np.bool_]] = [] if found is None else list(found.masks)
    runs = {name: rle.encode(mask) for name, mask in zip(classes, masks, strict=False)}
    return Line(
        frame=parcel.frame_id,
        name=parcel.name,
        how=result.how,
        runs={name: text for name, text in runs.items() if text},
        height=parcel.pixels.shape[0],
        width=parcel.pixels.shape[1],
        frame_bytes=len(parcel.frame),
        answer_bytes=result.answer_bytes,
        bits=parcel.bits,
        attempts=result.attempts,
        latency_ms=round(result.latency_ms, 3),
        late=result.late,
    )


def _write_masks(result: Result, classes: int, folder: Path) -> None:
    assert result.found is not None
    image: Image.Image = label_image(result.found.labels, classes)
    name = f"{Path(result.parcel.name).stem}.png"
    with replacing(folder / "masks" / name) as temporary:
        image.save(temporary, compress_level=1)


def _table(lines: Iterator[Line]) -> bytes:
    return write_labels(
        (line.name, name, runs) for line in lines for name, runs in line.runs.items()
    )
