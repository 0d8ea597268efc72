"""Where an edge's pictures come from: folders, files, lists, standard input, video, a camera."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from splittool.data.images import Pixels, read_image
from splittool.data.samples import expand_inputs
from splittool.data.videos import CAMERA, is_video, video_frames
from splittool.errors import UsageError
from splittool.vocabulary import MAX_PIXELS

Picture = tuple[str, Pixels]


class Source:
    """Pictures in an order that is the same when a run is resumed.

    Args:
        names: Folders, image files, .txt lists; or "-" for paths on standard input, one per line
            and read as they come; or one video file, or "camera:N".
        max_pixels: The largest image file, height times width, that is read.

    Raises:
        InputError: A file or folder is missing.
        UsageError: A stream is given beside others.

    Attributes:
        total: How many pictures there are; None if that is not known before the end.
        label: What it is, the same for the same pictures.
    """

    def __init__(self, names: Sequence[str], max_pixels: int = MAX_PIXELS) -> None:
        self._names, self._max_pixels = list(names), max_pixels
        self._paths: list[Path] | None = None
        streams = [name for name in names if name == "-" or is_video(name)]
        if streams and len(names) > 1:
            raise UsageError(f"{streams[0]} is a stream of pictures; give it alone")
        if not streams:
            self._paths = expand_inputs(names)
        self.total = None if self._paths is None else len(self._paths)
        self.label = [str(path) for path in self._paths] if self._paths is not None else self._names

    @property
    def is_live(self) -> bool:
        """Whether its pictures come once, so that a resumed run has others."""
        return self._names[0].startswith(CAMERA)

    def pictures(self, skip: int) -> Iterator[Picture]:
        """Names and (H, W, 3) pixels, without the first `skip` unless they come once.

        Raises:
            InputError: A picture is damaged.
        """
        if self._paths is not None:
            return self._read(self._paths[skip:])
        if self._names[0] != "-":
            return video_frames(self._names[0], skip)
        lines = (Path(line.strip()) for line in sys.stdin if line.strip())
        return self._read(islice(lines, skip, None))

    def _read(self, paths: Iterable[Path]) -> Iterator[Picture]:
        return ((path.name, read_image(path, self._max_pixels)) for path in paths)


def paced(pictures: Iterator[Picture], fps: float) -> Iterator[Picture]:
    """The same pictures, not more often than `fps` times a second."""
    due = time.perf_counter()
    for picture in pictures:
        wait = due - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        due = max(due, time.perf_counter() - 1 / fps) + 1 / fps
        yield picture
