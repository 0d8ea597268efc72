"""A comparison on disk while it is made: one line for each image, from which it goes on."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby
from pathlib import Path
from statistics import fmean

import msgspec
from msgspec.structs import replace

from splittool import __version__
from splittool.data.image_codecs import Coding
from splittool.data.kaggle import Sample
from splittool.errors import OutputError, StoppedError
from splittool.files import refuse_existing
from splittool.interrupt import Interrupt
from splittool.journal import Journal
from splittool.reports import ArmRecord
from splittool.split.outputs import Difference


class Sent(msgspec.Struct, frozen=True):
    """One image that went one way.

    Attributes:
        arm: The way.
        sent: Bytes.
        bare: Bytes without the container of an image format.
        counts: (C, 3) pixels in common, predicted and true; none for a network without masks.
        coding: How long the bytes took.
        differences: Of each output of a network that draws no masks, from the whole network's.
    """

    arm: ArmRecord
    sent: int
    bare: int | None
    counts: list[list[int]] = []
    differences: list[Difference] = []
    coding: Coding | None = None


def by_arm(images: Iterable[Iterable[Sent]]) -> dict[ArmRecord, list[Sent]]:
    """What came of all images, by the way that they went, in the order of the first one."""
    found: dict[ArmRecord, list[Sent]] = {}
    for one in chain.from_iterable(images):
        found.setdefault(one.arm, []).append(one)
    return found


def with_bytes(arm: ArmRecord, of: Sequence[Sent], pixels: float) -> ArmRecord:
    """An arm with mean bytes and times over images, of `pixels` pixels each in the mean."""
    payload = fmean(one.sent for one in of)
    bare = [one.bare for one in of if one.bare is not None]
    coded = [one.coding for one in of if one.coding is not None]
    return replace(
        arm,
        payload_bytes_per_frame=payload,
        bare_bytes_per_frame=fmean(bare) if bare else None,
        bits_per_pixel=payload * 8 / pixels,
        encode_ms=fmean(each.encode_ms for each in coded) if coded else None,
        decode_ms=fmean(each.decode_ms for each in coded) if coded else None,
    )


class _Image(msgspec.Struct, frozen=True):
    ways: list[Sent]


class _Heading(msgspec.Struct, frozen=True, tag_field="schema", tag="splittool.compare-state/1"):
    comparison: str


class Unfinished:
    """What a comparison has done, and keeps if it is given a file.

    Args:
        journal: The file; None keeps nothing.
        interrupt: Ctrl-C and SIGTERM.

    Attributes:
        images: What became of each image so far.
    """

    def __init__(self, journal: Journal[_Image] | None, interrupt: Interrupt | None) -> None:
        self._journal, self._interrupt = journal, interrupt
        self._arms: dict[ArmRecord, ArmRecord] = {}  # one of each is kept, however many images
        self.images = [] if journal is None else [line.ways for line in journal.lines()]

    def add(self, found: Iterable[tuple[Sample, Sent]], total: int) -> None:
        """Take in what comes of further images.

        Raises:
            StoppedError: A signal arrived; the images before are kept.
            OutputError: The file cannot be written.
        """
        for _, group in groupby(found, key=lambda pair: id(pair[0])):
            ways = []
            for _, sent in group:
                self._stop(total)
                arm = self._arms.setdefault(sent.arm, sent.arm)
                ways.append(replace(sent, arm=arm))
            self.images.append(ways)
            if self._journal is not None:
                self._journal.add(_Image(ways))

    def _stop(self, total: int) -> None:
        code = None if self._interrupt is None else self._interrupt.exit_code
        if code is not None and self._journal is not None:
            raise StoppedError(
                f"stopped after {len(self.images)} of {total} images, which are kept in"
                f" {self._journal.path}; go on with `resume`",
                code,
            )


def identity(sample: Sample) -> tuple[object, ...]:
    """What tells an image and its labels from others."""
    size = (sample.height, sample.width, sample.file_bytes)
    return (sample.name, *size, sorted(sample.runs.items()))


def state_file(report: Path) -> Path:
    """Where a comparison keeps what it has done."""
    return report.with_name(f"{report.stem}.state.jsonl")


@contextmanager
def unfinished(
    report: Path | None, of: Sequence[object], resume: bool, force: bool
) -> Iterator[Unfinished]:
    """What a stopped comparison has done, to be gone on with.

    Args:
        report: The report it will become; None keeps nothing.
        of: All that decides what is found, in values that look the same in every process.
        resume: Go on where one was stopped.
        force: Replace a report, and what a stopped run has done.

    Raises:
        OutputError: The report exists, a stopped run has done some and neither `resume` nor `force`
            is given, the file is of another comparison, or cannot be written.
        InputError: The file is damaged.
    """
    if report is None:
        yield Unfinished(None, None)
        return
    refuse_existing([report], force)
    path = state_file(report)
    if path.exists() and not resume and not force:
        raise OutputError(
            f"{path} holds what a stopped run has done; give `resume` to go on, or `force` to begin"
            " anew"
        )
    digest = hashlib.sha256(repr([__version__, *of]).encode(errors="surrogateescape"))
    heading, fix = _Heading(digest.hexdigest()), "give `force` without `resume` to begin anew"
    with _State(path, heading, _Image, fix, not resume) as journal, Interrupt() as interrupt:
        yield Unfinished(journal, interrupt)
    path.unlink(missing_ok=True)


class _State(Journal[_Image]):
    def of_others(self) -> str:
        return "is of other networks, images or options"
