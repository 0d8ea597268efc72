"""The cuts that a server answers for: each loaded once, several versions side by side."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from splittool.codec.envelope import largest_frame
from splittool.codec.masks import MOST_PIXELS
from splittool.errors import InputError, SplittoolError, UsageError
from splittool.serving.answer import Subject, encode_answer
from splittool.serving.question import MASKS, Question
from splittool.split.calibration_file import FILE_NAME
from splittool.split.files import DESCRIPTION
from splittool.split.link import open_receivers, receive
from splittool.split.options import RunOptions
from splittool.split.runners import Device
from splittool.split.segmentation import segment
from splittool.split.split_network import SplitNetwork

_NAMED = re.compile(r"(?P<name>[^=:/]+)(?::(?P<version>[0-9]+))?=(?P<path>.+)")


class UnknownModelError(InputError):
    """A request names a model or a version that is not served."""


@dataclass(frozen=True)
class Place:
    """Where a model is, and what it is called.

    Attributes:
        name: What requests call it.
        version: A whole number above 0, as text.
        path: Its cut.json.
    """

    name: str
    version: str
    path: Path

    @staticmethod
    def parse(text: str) -> "Place":
        """A place from PATH, NAME=PATH or NAME:VERSION=PATH.

        A cut is called like its folder; a folder that is called like a number is a version, and
        its parent the name.

        Raises:
            InputError: There is no such cut.
        """
        named = _NAMED.fullmatch(text)
        path = Path(named["path"] if named else text)
        path = path / DESCRIPTION if path.is_dir() else path
        if not path.is_file():
            raise InputError(f"there is no file {path}; make one with: splittool cut")
        folder = path.resolve().parent
        version = folder.name if folder.name.isdecimal() and int(folder.name) else "1"
        name = folder.parent.name if version == folder.name else folder.name
        if named:
            name, version = named["name"], named["version"] or version
        return Place(name or "cut", version, path)


@dataclass(frozen=True)
class Answered:
    """What came of a question.

    Attributes:
        masks: The answer as coded bytes, if masks were asked for.
        probabilities: (C, H, W) of the image's size, if these were.
        frame_id: The number of the frame.
        decode_ms: Time from the frame to the tail's tensors.
        tail_ms: Time of the tail.
        encode_ms: Time to make the answer.
    """

    masks: bytes | None
    probabilities: NDArray[np.float32] | None
    frame_id: int
    decode_ms: float
    tail_ms: float
    encode_ms: float


@dataclass(frozen=True)
class Defaults:
    """What a question that leaves something open means.

    Attributes:
        output: "masks" or "probabilities".
        threshold: Probability from which a pixel belongs to a class.
        precision: Number type of the tail.
        workers: How many frames are computed at once.
    """

    output: str = MASKS
    threshold: float = 0.5
    precision: str = "auto"
    workers: int = 2


class Tail(Protocol):
    """What computes the maps.

    Attributes:
        maps: How many there are.
    """

    maps: int

    def run(self, tensors: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Crossing tensors to (C, H, W) probabilities on the canvas."""


class ServedModel:
    """The cloud's half of one cut; several threads may ask it.

    Args:
        place: Where it is.
        defaults: How it runs.
        open_tail: What runs the tail in place of this process.

    Raises:
        InputError: The cut is damaged.
    """

    def __init__(
        self,
        place: Place,
        defaults: Defaults,
        open_tail: Callable[[SplitNetwork, Device], Tail] | None = None,
    ) -> None:
        self.place, self.defaults = place, defaults
        self.stamp = _stamp(place.path)
        split = SplitNetwork.open(place.path)
        self.source: Path | str = place.path
        self.info = split.info
        self.input_shape = _image_shape(split.report.input.shape)
        self.canvas = split.canvas()
        self.receivers = open_receivers(place.path, split.report)
        self.tail: Tail
        if open_tail is not None:
            self.tail = open_tail(split, self)
        else:
            self.tail = split.tail(self, RunOptions(precision=defaults.precision))
        self.largest_frame = largest_frame(self.receivers[0].specs)

    @property
    def is_current(self) -> bool:
        """Whether its files are still those that it was loaded from."""
        return self.stamp == _stamp(self.place.path)

    def answer(self, question: Question) -> Answered:
        """Decode a frame and run the tail.

        Raises:
            FrameError: The frame is not one of this cut.
            InputError: The size asked for is not one that images of this network have.
        """
        height, width = self._size(question)
        times = [perf_counter()]
        receiver, received = receive(question.frame, self.receivers)
        times.append(perf_counter())
        probabilities = self.tail.run(received.tensors)
        times.append(perf_counter())
        masks, maps = None, None
        if (question.output or self.defaults.output) == MASKS:
            threshold = question.threshold
            threshold = self.defaults.threshold if threshold is None else threshold
            found = segment(probabilities, self.canvas, height, width, threshold)
            about = Subject(
                receiver.cut_id, received.frame_id, height, width, threshold, self.tail.maps
            )
            masks = encode_answer(about, found)
        else:
            maps = self.canvas.restore(probabilities, height, width)
        times.append(perf_counter())
        return Answered(masks, maps, received.frame_id, *(float(t) for t in np.diff(times) * 1e3))

    def _size(self, question: Question) -> tuple[int, int]:
        """Height and width of the image, refused before anything is computed."""
        height = question.height or self.canvas.height
        width = question.width or self.canvas.width
        self.canvas.check(Path("the image"), height, width)
        if height * width * self.tail.maps > MOST_PIXELS:
            raise InputError(f"masks of {height}x{width} are larger than this server makes")
        return height, width


def _stamp(path: Path) -> tuple[tuple[int, int], ...]:
    """Time and size of the files that say what a cut is."""
    found = []
    for file in (path, path.parent / FILE_NAME):
        try:
            state = file.stat()
            found.append((state.st_mtime_ns, state.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


def _image_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """(1, 3, height, width) of an input whose channels may be last."""
    one, *rest = shape
    return tuple(shape) if rest[0] == 3 else (one, rest[2], rest[0], rest[1])


class Repository:
    """All models of a server, by name and version.

    Args:
        places: Where they are.
        defaults: How they run.

    Raises:
        InputError: A cut is damaged.
        UsageError: Two have the same name and version.
    """

    def __init__(self, places: Sequence[Place], defaults: Defaults) -> None:
        self._defaults = defaults
        self._models: dict[tuple[str, str], ServedModel] = {}
        self._failed: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {}
        self._lock = Lock()
        for place in places:
            key = place.name, place.version
            if key in self._models:
                raise UsageError(
                    f"{place.path} and {self._models[key].place.path} are both version"
                    f" {place.version} of {place.name}; name one NAME:VERSION=PATH"
                )
            self._models[key] = ServedModel(place, defaults)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(list(self._models.values()))

    def find(self, name: str, version: str = "") -> ServedModel:
        """A model; without a version the highest.

        Raises:
            UnknownModelError: It is not here.
        """
        versions = {int(v): m for (n, v), m in list(self._models.items()) if n == name}
        if not versions:
            known = ", ".join(sorted({model.place.name for model in self._models.values()}))
            raise UnknownModelError(f"there is no model {name[:100]!r}; there is: {known}")
        if not version:
            return versions[max(versions)]
        if not version.isdecimal() or len(version) > 18 or int(version) not in versions:
            known = ", ".join(map(str, sorted(versions)))
            raise UnknownModelError(
                f"model {name!r} has no version {version[:20]!r}; it has: {known}"
            )
        return versions[int(version)]

    def reload(self) -> list[tuple[Place, SplittoolError | None]]:
        """Load again what changed on disk; the old one answers until the new one is there.

        Returns:
            What was loaded, or why it was not; a cut that cannot be loaded is tried again when it
            has changed once more.
        """
        found: list[tuple[Place, SplittoolError | None]] = []
        with self._lock:
            for key, model in list(self._models.items()):
                stamp = _stamp(model.place.path)
                if model.stamp == stamp or self._failed.get(key) == stamp:
                    continue
                try:
                    self._models[key] = ServedModel(model.place, self._defaults)
                    found.append((model.place, None))
                except SplittoolError as error:
                    self._failed[key] = stamp
                    found.append((model.place, error))
        return found
