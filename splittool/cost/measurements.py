"""What was measured of a network's cuts, by `infer` and `compare`: bytes per frame and Dice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from splittool.errors import InputError, UsageError
from splittool.graph.graph import Graph
from splittool.graph.split_points import ends, find_cut, require_both_sides
from splittool.reports import CompareReport, FileRecord, InferReport, file_record, read_report


@dataclass(frozen=True)
class Sent:
    """One way to send something.

    Attributes:
        payload_bytes: Mean bytes of a frame.
        dice: The Dice that was measured; None without labels.
        bits: Bits of an element of crossing tensors; None where they differ, and for images.
        codec: The codec of crossing tensors or images.
        quality: The quality setting of the images' codec.
        encode_ms: Mean time to quantise and code a frame; None where it was not measured.
        decode_ms: Mean time to decode it.
    """

    payload_bytes: float
    dice: float | None
    bits: int | None = None
    codec: str | None = None
    quality: int | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None


@dataclass(frozen=True)
class Measured:
    """All that was measured of one network.

    Attributes:
        files: The reports.
        cuts: By the ends of a cut, the ways in which it was sent.
        images: The ways in which the input was compressed.
        image_bytes: Mean size of the image files; None if nothing says so.
        whole_dice: Dice of the whole network on these files.
        answer: Its coded masks, as `compare` measured them; None if nothing says so.
    """

    files: tuple[FileRecord, ...] = ()
    cuts: Mapping[tuple[str, ...], Sequence[Sent]] = field(default_factory=dict)
    images: Sequence[Sent] = ()
    image_bytes: float | None = None
    whole_dice: float | None = None
    answer: Sent | None = None

    @property
    def reference(self) -> float | None:
        """Dice of the whole network; None where nothing was measured that may lose some of it."""
        ways = [*self.images, *(sent for sents in self.cuts.values() for sent in sents)]
        return self.whole_dice if any(sent.dice is not None for sent in ways) else None


def read_measured(graph: Graph, paths: Sequence[Path]) -> Measured:
    """Read reports of `infer` and `compare`, and find the cuts that they are about.

    Raises:
        InputError: A report is of another kind, or of a cut that this graph does not have.
        UsageError: Two reports are of the whole network.
    """
    cuts: dict[tuple[str, ...], list[Sent]] = {}
    images: list[Sent] = []
    whole: tuple[float | None, float | None] | None = None
    answer = None
    for path in paths:
        found = _read(path)
        for point, sent in found.cuts:
            cuts.setdefault(_ends_of(graph, path, point), []).append(sent)
        images += found.images
        if found.whole and whole:
            raise UsageError(f"`infer` {path} is a second report of the whole network; give one")
        whole = whole or found.whole
        answer = answer or found.answer
    return Measured(
        files=tuple(file_record(path) for path in paths),
        cuts=cuts,
        images=images,
        image_bytes=whole[0] if whole else None,
        whole_dice=whole[1] if whole else None,
        answer=answer,
    )


def read_frames(paths: Sequence[Path]) -> list[tuple[str, Sent]]:
    """The frames of cuts that reports of `infer` and `compare` measured, by their split points.

    Raises:
        InputError: A report is of another kind, or does not say how many bytes were sent.
    """
    return [frame for path in paths for frame in _read(path).cuts]


@dataclass(frozen=True)
class _Found:
    """What one report says: cuts by their points, images; bytes, Dice and answer of the whole."""

    cuts: Sequence[tuple[str, Sent]] = ()
    images: Sequence[Sent] = ()
    whole: tuple[float | None, float | None] | None = None
    answer: Sent | None = None


def _read(path: Path) -> _Found:
    report = read_report(path, InferReport, CompareReport)
    return _of_infer(path, report) if isinstance(report, InferReport) else _of_compare(report)


def _of_infer(path: Path, report: InferReport) -> _Found:
    dice = report.scores.dice if report.scores else None
    if report.cut is None:
        return _Found(whole=(report.image_file_bytes_per_frame, dice))
    if not report.payload_bytes_per_frame:
        raise InputError(f"{path} does not say how many bytes were sent; run infer again")
    sent = Sent(
        report.payload_bytes_per_frame,
        dice,
        report.bits,
        report.codec,
        encode_ms=report.encode_ms,
        decode_ms=report.decode_ms,
    )
    return _Found(cuts=[(report.cut, sent)])


def _of_compare(report: CompareReport) -> _Found:
    cuts, images, whole, answer = [], [], None, None
    for arm in report.arms:
        if arm.network is not None:
            continue  # another network is not what is planned
        sent = Sent(
            arm.payload_bytes_per_frame,
            arm.dice,
            arm.bits,
            arm.codec,
            arm.quality,
            arm.encode_ms,
            arm.decode_ms,
        )
        if arm.kind == "cut" and arm.point is not None:
            cuts.append((arm.point, sent))
        elif arm.kind == "image" and arm.codec == "file":
            whole = (sent.payload_bytes, sent.dice)
        elif arm.kind == "image":
            halved = f"{arm.codec} half"
            images.append(sent if arm.scale == 1 else replace(sent, codec=halved))
        elif arm.kind == "answer" and arm.scale == 1:
            answer = replace(sent, codec="masks")
    return _Found(cuts, images, whole, answer)


def _ends_of(graph: Graph, path: Path, point: str) -> tuple[str, ...]:
    names = [point] if point in graph.by_name else point.split(" + ")
    try:
        cut = find_cut(graph, *names)
        require_both_sides(cut)
    except InputError as error:
        raise InputError(f"{path} is of another network: {error}") from None
    return tuple(ends(graph, cut.head))
