"""Lossless coding of two-coloured images: adaptive probabilities by context, then rANS.

What JBIG2 does for a generic region (ITU-T T.88, 6.2), in whole numbers and with the entropy code
of this package: the probability of each pixel is learned, while coding, from the ten pixels above
and to the left of it that the template 2 of JBIG2 looks at. Three things are different, because a
mask has few outlines and a short code has no time to learn 1,024 probabilities:

* A context that was hardly seen yet leans on one of four pixels.
* A pixel whose ten neighbours have one colour has that colour, too, and is not coded. Rows where
  one has not say so first, and code all their pixels.
* There is no header, and no marker at the end.

docs/frame-format.md has the format step by step.
"""

from bisect import bisect_left
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.rans import Decoder

Bitmap = NDArray[np.bool_]

# Coding a pixel takes about 2 microseconds, and a row as much as some pixels. Bitmaps of more are
# for a codec that does not look at each, and a decoder spends no more on whatever it is sent.
MOST_CODED = 1 << 18
_ROW = 8

_LEFT = 2  # pixels to the left of a row that contexts look at
_RIGHT = 2
_LEAN = 2  # how many sightings the probability of the smaller context counts for
_FORGET = 255  # sightings after which all are halved
_WHOLE = 1 << 16
_ABOVE = 0xFF  # the eight pixels of a context in the two rows above


class BitmapError(ValueError):
    """Bytes that are not a coded bitmap of this size."""


class TooLongError(ValueError):
    """A bitmap has more outline than is coded pixel by pixel."""


class _Source(Protocol):
    """Where flags come from: a bitmap that is being coded, or bytes."""

    def row(self, y: int, unset: int) -> bool:
        """Whether some pixel of a row differs from neighbours that are all alike."""

    def pixel(self, y: int, x: int, unset: int) -> bool:
        """One pixel."""


def encode(bitmap: Bitmap) -> bytes:
    """Code (H, W) pixels.

    Raises:
        TooLongError: There are more than `MOST_CODED` pixels along outlines.
    """
    known = _Known(bitmap)
    height, width = bitmap.shape
    _walk(height, width, known)
    return rans.code(*rans.single(np.array(known.flags, bool), np.array(known.unset, np.int64)))


def decode(data: bytes, height: int, width: int) -> Bitmap:
    """(H, W) pixels from bytes that may be anything.

    Raises:
        BitmapError: `encode` does not make these bytes of any bitmap of this size.
    """
    coded = _Coded(data)
    try:
        bitmap = _walk(height, width, coded)
    except TooLongError as error:
        raise BitmapError(str(error)) from None
    if not coded.decoder.is_at_end:
        raise BitmapError("it goes on after its last pixel, or is damaged")
    return bitmap


class _Known:
    """A bitmap that is being coded; keeps what was asked of it."""

    def __init__(self, bitmap: Bitmap) -> None:
        self.flags: list[bool] = []
        self.unset: list[int] = []
        self._rows = bitmap.tolist()
        self._odd = _odd_rows(bitmap)

    def row(self, y: int, unset: int) -> bool:
        return self._keep(self._odd[y], unset)

    def pixel(self, y: int, x: int, unset: int) -> bool:
        return self._keep(self._rows[y][x], unset)

    def _keep(self, flag: bool, unset: int) -> bool:
        self.flags.append(flag)
        self.unset.append(unset)
        return flag


class _Coded:
    """Bytes that are being decoded."""

    def __init__(self, data: bytes) -> None:
        self.decoder = Decoder(data)

    def row(self, y: int, unset: int) -> bool:
        return self.decoder.single(unset)

    def pixel(self, y: int, x: int, unset: int) -> bool:
        return self.decoder.single(unset)


class _Odds:
    """How often a flag was seen set and unset in each context, and in each smaller one."""

    def __init__(self, contexts: int, smaller: int) -> None:
        self._counts = [[0, 0] for _ in range(contexts)]
        self._smaller = [[0, 0] for _ in range(smaller)]

    def ask(self, source: _Source, y: int, x: int, context: int, smaller: int) -> bool:
        """Code a pixel, and learn from it."""
        near, far = self._counts[context], self._smaller[smaller]
        likely = (far[0] * _WHOLE + _LEAN * _WHOLE // 2) // (far[0] + far[1] + _LEAN)
        unset = (near[0] * _WHOLE + _LEAN * likely) // (near[0] + near[1] + _LEAN)
        flag = source.row(y, unset) if x < 0 else source.pixel(y, x, unset)
        for counts in (near, far):
            counts[flag] += 1
            if counts[0] + counts[1] > _FORGET:
                counts[0] >>= 1
                counts[1] >>= 1
        return flag


def _walk(height: int, width: int, source: _Source) -> Bitmap:
    """Every flag of a bitmap in its order; returns the bitmap."""
    coded = _check(height * _ROW)
    found = np.zeros((height + 2, _LEFT + width + _RIGHT), np.uint8)
    rows, pixels = _Odds(2, 1), _Odds(1024, 16)
    odd = False
    for y in range(height):
        odd = rows.ask(source, y, -1, odd, 0)
        if not odd and not found[y : y + 2].any():
            continue  # nothing above and nothing new
        above = _above(found[y], found[y + 1])
        line = bytearray(found[y + 2])
        if odd:
            coded = _check(coded + width)
            _whole_row(line, above, y, source, pixels)
        else:
            coded = _check(coded + _outlines(line, above, y, source, pixels))
        found[y + 2] = np.frombuffer(line, np.uint8)
    return found[2:, _LEFT : _LEFT + width].astype(bool)


def _check(coded: int) -> int:
    if coded > MOST_CODED:
        raise TooLongError(f"more than {MOST_CODED} pixels are along outlines")
    return coded


def _whole_row(
    line: bytearray, above: NDArray[np.uint8], y: int, source: _Source, pixels: _Odds
) -> None:
    left = 0
    for x, over in enumerate(above.tolist()):
        context = over << 2 | left
        flag = pixels.ask(source, y, x, context, _smaller(context))
        line[x + _LEFT] = flag
        left = (left << 1 | flag) & 3


def _outlines(
    line: bytearray, above: NDArray[np.uint8], y: int, source: _Source, pixels: _Odds
) -> int:
    """The pixels with neighbours of both colours; returns how many there are."""
    over = above.tolist()
    borders = [np.flatnonzero(above != colour).tolist() for colour in (0, _ABOVE)]
    x, left, coded = 0, 0, 0
    while x < len(over):
        if left in (0, 3):  # one colour goes on as far as the rows above have it, too
            colour = left & 1
            there = borders[colour]
            until = bisect_left(there, x)
            until = there[until] if until < len(there) else len(over)
            if colour:
                line[x + _LEFT : until + _LEFT] = b"\1" * (until - x)
            x = until
            if x == len(over):
                break
        context = over[x] << 2 | left
        flag = pixels.ask(source, y, x, context, _smaller(context))
        line[x + _LEFT] = flag
        left = (left << 1 | flag) & 3
        x += 1
        coded += 1
    return coded


def _above(second: NDArray[np.uint8], first: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of each pixel the three above the ones above it and the five above, as bits."""
    width = len(first) - _LEFT - _RIGHT
    found = np.zeros(width, np.uint8)
    for row, offsets in ((second, range(1, 4)), (first, range(5))):
        for offset in offsets:
            found = (found << np.uint8(1)) | row[offset : offset + width]
    return found


def _smaller(context: int) -> int:
    """The pixel to the left and the three nearest above, of the ten."""
    return context >> 2 & 0b1110 | context & 1


def _odd_rows(bitmap: Bitmap) -> list[bool]:
    """In which rows a pixel differs from ten neighbours that are all alike."""
    height, width = bitmap.shape
    padded = np.pad(bitmap, ((2, 0), (_LEFT, _RIGHT)))
    views = [
        padded[2 + dy : 2 + dy + height, _LEFT + dx : _LEFT + dx + width]
        for dy, columns in ((0, (-2, -1)), (-1, (-2, -1, 0, 1, 2)), (-2, (-1, 0, 1)))
        for dx in columns
    ]
    alike = np.logical_and.reduce(views) | ~np.logical_or.reduce(views)
    odd: list[bool] = (alike & (bitmap != views[0])).any(axis=1).tolist()
    return odd
