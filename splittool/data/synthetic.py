"""Synthetic steel sheets with drawn defects, for tests and demos without Kaggle's images.

The model is a line camera over a moving sheet: uneven light, times how much each spot of steel
reflects, plus sensor noise. A defect changes the reflection inside its mask and nowhere else.

Lengths are in units of 1/256 of the image height, so a sheet looks alike at any size. Everything
is the generator's draws and elementwise float arithmetic, without BLAS and libm: the same numpy
gives the same bytes on every machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splittool.data.images import MAX_PIXELS
from splittool.errors import UsageError

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Plane = NDArray[np.float32]
Window = tuple[slice, slice]

CLASSES = ("1", "2", "3", "4")
PITS, SEAM, STREAKS, SCALE = range(4)
MIN_SIDE = 32

# The defects of image i are entry i modulo 32, so any 32 images in a row show each class at least
# twice. The shares are near Severstal's: 47 % of the images are clean, class 3 is in 31 %, class
# 1 in 13 %, class 4 in 9 % and class 2 in 6 %. The first 8 images show every class.
_CYCLE: tuple[tuple[int, ...], ...] = (
    *((STREAKS,), (), (PITS,), (), (SCALE,), (SEAM,), (STREAKS,), ()),
    *((), (STREAKS,), (), (PITS, STREAKS), (), (STREAKS,), (), ()),
    *((STREAKS,), (), (SCALE,), (), (PITS,), (STREAKS,), (SEAM,), ()),
    *((STREAKS,), (), (STREAKS, SCALE), (), (PITS,), (), (STREAKS,), ()),
)


@dataclass(frozen=True)
class _Steel:
    """A sheet without defects.

    Attributes:
        grey: (H, W) grey levels, before sensor noise.
        noise: (H, W) sensor noise, grey levels.
        left: First column of the sheet; what lies before it is black.
        right: One past its last column.
        unit: Pixels per length unit.
    """

    grey: Plane
    noise: Plane
    left: int
    right: int
    unit: float

    def place(self, rng: np.random.Generator) -> tuple[int, int]:
        """A pixel of the sheet, row and column, away from its edges."""
        rim = (self.right - self.left) // 10
        row = int(rng.integers(len(self.grey)))
        return row, int(rng.integers(self.left + rim, self.right - rim))


def defects_of(index: int) -> tuple[int, ...]:
    """The defects `generate` draws into image `index`, as positions in CLASSES."""
    return _CYCLE[index % len(_CYCLE)]


def generate(seed: int, index: int, height: int = 256, width: int = 1600) -> tuple[Grey, Mask]:
    """Image `index` of the endless set `seed`; it does not depend on how many are made.

    Args:
        seed: Not negative.
        index: Not negative; it also chooses the defects, see `defects_of`.
        height: Pixels, 32 or more.
        width: Pixels, 32 or more.

    Returns:
        (H, W) grey levels, and (4, H, W) defect masks in the order of CLASSES.
    """
    return render(np.random.default_rng([seed, index]), height, width, defects_of(index))


def render(
    rng: np.random.Generator, height: int = 256, width: int = 1600, defects: Sequence[int] = ()
) -> tuple[Grey, Mask]:
    """Draw one sheet: first the steel, so equal generators give equal steel under any defects.

    Args:
        rng: Where all randomness comes from.
        height: Pixels, 32 or more.
        width: Pixels, 32 or more.
        defects: Positions in CLASSES, each at most once.

    Returns:
        (H, W) grey levels, and (4, H, W) defect masks in the order of CLASSES. A mask is empty
        exactly if its class is not in `defects`, and lies on the steel.

    Raises:
        UsageError: The image is too small to show anything, or larger than any that is read.
    """
    if min(height, width) < MIN_SIDE:
        raise UsageError(
            f"a synthetic sheet of {height}x{width} pixels is too small; "
            f"take {MIN_SIDE}x{MIN_SIDE} or more"
        )
    if height * width > MAX_PIXELS:
        raise UsageError(
            f"a synthetic sheet of {height}x{width} pixels is too large;"
            f" {MAX_PIXELS:,} are the most that an image may have"
        )
    steel = _steel(rng, height, width)
    grey = steel.grey
    masks = np.zeros((len(CLASSES), height, width), dtype=np.bool_)
    for defect in defects:
        gain, mask = np.ones_like(grey), masks[defect]
        _PAINTERS[defect](rng, steel, gain, mask)
        mask[:, : steel.left] = False
        mask[:, steel.right :] = False
        grey = np.where(mask, grey * gain, grey)
    return np.clip(np.rint(grey + steel.noise), 0, 255).astype(np.uint8), masks


def _noise(rng: np.random.Generator, shape: tuple[int, int], tall: float, wide: float) -> Plane:
    """Smooth noise around 0, mostly within -2 to 2: random values on a grid, blended between.

    Args:
        rng: Source of the values.
        shape: Rows and columns of the result.
        tall: Pixels between grid rows; below 1 counts as 1.
        wide: Pixels between grid columns, likewise.
    """

    def blend(length: int, spacing: float) -> tuple[NDArray[np.intp], Plane]:
        place = np.arange(length, dtype=np.float32) / max(spacing, 1.0) + rng.random()
        low = place.astype(np.intp)
        rest = (place - low).astype(np.float32)
        return low, rest * rest * (3 - 2 * rest)

    y, down = blend(shape[0], tall)
    x, along = blend(shape[1], wide)
    grid = rng.standard_normal((int(y[-1]) + 2, int(x[-1]) + 2), dtype=np.float32)
    rows = grid[y] + (grid[y + 1] - grid[y]) * down[:, None]
    steps = rows[:, 1:] - rows[:, :-1]
    return rows.take(x, axis=1) + steps.take(x, axis=1) * along


def _steel(rng: np.random.Generator, height: int, width: int) -> _Steel:
    shape, unit = (height, width), height / 256
    grain = rng.uniform(0.01, 0.045) * _noise(rng, shape, 30 * unit, 2.5 * unit)
    grain += rng.uniform(0.04, 0.08) * _noise(rng, shape, 2 * unit, 3 * unit)
    # Oxide flakes, drawn out along the rolling: harmless, and easily taken for a defect.
    flakes = 0.8 * _noise(rng, shape, 45 * unit, 7 * unit)
    flakes += 0.35 * _noise(rng, shape, 9 * unit, 3 * unit)
    flakes += 0.9 * _noise(rng, shape, 160 * unit, 110 * unit)
    grain += rng.uniform(-0.22, 0.2) * np.clip(5 * (flakes - rng.uniform(0.5, 2)), 0, 1)
    # Some stretches of some sheets are rough: chatter marks across the rolling, bright flecks.
    rough = np.clip(_noise(rng, (1, width), 1, 180 * unit), 0, 1.5)
    if rng.random() < 0.3:
        grain += 0.08 * rough * _noise(rng, shape, 4 * unit, 40 * unit)
    if rng.random() < 0.5:
        grain += 0.7 * (_noise(rng, shape, 1.5 * unit, 3 * unit) > 2.5 - 0.7 * rough)
    grey = rng.uniform(55, 130) * _light(rng, shape, unit) * np.maximum(1 + grain, 0.4)
    left, right = _cut(rng, grey, unit)
    # A camera's noise grows with the root of the light it gets.
    noise = rng.standard_normal(shape, dtype=np.float32) * np.sqrt(grey) * rng.uniform(0.4, 0.8)
    return _Steel(grey, noise, left, right, unit)


def _light(rng: np.random.Generator, shape: tuple[int, int], unit: float) -> Plane:
    """(H, W) light on the sheet around 1: mostly stronger below, banded along the rolling."""
    light = 0.16 * _noise(rng, shape, 220 * unit, 350 * unit)
    light += 1 + rng.uniform(-0.1, 0.6) * np.linspace(-0.5, 0.5, shape[0])[:, None]
    light += 0.07 * _noise(rng, (1, shape[1]), 1, 60 * unit)
    light += 0.03 * _noise(rng, (1, shape[1]), 1, 9 * unit)
    np.maximum(light, 0.35, out=light)
    return light


def _cut(rng: np.random.Generator, grey: Plane, unit: float) -> tuple[int, int]:
    """Let some sheets end inside the image, worn at the rim and black beyond; writes into grey.

    Returns:
        First column of the sheet, and one past its last.
    """
    width = grey.shape[1]
    if rng.random() > 0.3:
        return 0, width
    # Mostly a short piece of black, now and then nearly half of the image.
    black = max(1, int(0.45 * width * rng.random() ** 2))
    left, right = (black, width) if rng.random() < 0.5 else (0, width - black)
    column = np.arange(width, dtype=np.float32)
    inside = (column - left if left else right - 1 - column) / unit
    worn = np.clip(1 - inside / rng.uniform(30, 90), 0, 1)
    grey *= np.where(inside < rng.uniform(4, 15), 0.6, 1 + rng.uniform(-0.2, 0.5) * worn)
    grey[:, inside < 0] = rng.uniform(1, 4)
    return left, right


def _box(steel: _Steel, y: int, x: int, tall: float, wide: float) -> tuple[Window, Plane, Plane]:
    """The part of the image within `tall` rows and `wide` columns of a pixel.

    Returns:
        The part, and how far its rows (h, 1) and columns (1, w) are from the pixel, as multiples
        of `tall` and `wide`.
    """
    height, width = steel.grey.shape
    top, bottom = max(0, int(y - tall)), min(height, int(y + tall) + 1)
    left, right = max(0, int(x - wide)), min(width, int(x + wide) + 1)
    down = ((np.arange(top, bottom)[:, None] - y) / tall).astype(np.float32)
    along = ((np.arange(left, right)[None, :] - x) / wide).astype(np.float32)
    return (slice(top, bottom), slice(left, right)), down, along


def _strip(
    rng: np.random.Generator, steel: _Steel, length: float, half: float, sway: float
) -> tuple[Window, Plane]:
    """A band along the rolling, a little askew, `length` pixels long and cut off by the image.

    Returns:
        The part of the image within `half` columns of the band's middle, and the (h, w) distances
        from the middle, pixels. `sway` is how far the middle strays from a straight line, pixels.
    """
    height, width = steel.grey.shape
    y, x = steel.place(rng)
    top, bottom = max(0, int(y - length / 2)), min(height, int(y + length / 2) + 1)
    rows = np.arange(top, bottom, dtype=np.float32)
    wander = sway * _noise(rng, (len(rows), 1), 30 * steel.unit, 1)[:, 0]
    path = x + (rows - y) * rng.uniform(-0.05, 0.05) + wander - wander[y - top]
    first, last = max(0, int(path.min() - half)), min(width, int(path.max() + half) + 2)
    columns = np.arange(first, last, dtype=np.float32)
    return (slice(top, bottom), slice(first, last)), columns - path[:, None]


def _pits(rng: np.random.Generator, steel: _Steel, gain: Plane, mask: Mask) -> None:
    """Class 1: some clusters of small dark pits near each other, each cluster outlined."""
    unit, (height, width) = steel.unit, steel.grey.shape
    y, x = steel.place(rng)
    for _ in range(int(rng.integers(4, 10))):
        tall, wide = rng.uniform(12, 30) * unit + 1, rng.uniform(8, 15) * unit + 1
        window, down, along = _box(steel, y, x, tall, wide)
        mask[window] |= down**2 + along**2 < 1
        for _ in range(int(rng.integers(2, 6))):
            at_y = int(np.clip(y + rng.uniform(-0.6, 0.6) * tall, 0, height - 1))
            at_x = int(np.clip(x + rng.uniform(-0.5, 0.5) * wide, 0, width - 1))
            size = rng.uniform(1.5, 4) * unit + 0.7
            window, down, along = _box(steel, at_y, at_x, size * rng.uniform(1, 3.5), size)
            ragged = 1 + 0.4 * _noise(rng, (len(down), along.size), 2 * unit, 2 * unit)
            bowl = np.clip(1.3 - 1.3 * ragged * (down**2 + along**2), 0, 1)
            # Lit from above: the far wall of the pit catches the light.
            gain[window] *= 1 - rng.uniform(0.5, 1) * bowl * np.clip(0.8 - 1.4 * down, -0.7, 0.9)
        y = int(np.clip(y + rng.normal(0, 50) * unit, 0, height - 1))
        x = int(np.clip(x + rng.normal(0, 90) * unit, steel.left, steel.right - 1))


def _seam(rng: np.random.Generator, steel: _Steel, gain: Plane, mask: Mask) -> None:
    """Class 2: one to three short cracks, each a dark hair, torn and never quite straight."""
    unit = steel.unit
    for _ in range(int(rng.integers(1, 4))):
        half = rng.uniform(6, 9) * unit + 0.5
        window, across = _strip(rng, steel, rng.uniform(110, 210) * unit, half, 1.5 * unit)
        hair = np.clip(1.4 - np.abs(across) / (rng.uniform(0.8, 1.6) * unit + 0.4), 0, 1)
        torn = np.clip(0.7 + 0.6 * _noise(rng, (len(across), 1), 6 * unit, 1), 0.15, 1)
        gain[window] *= 1 - rng.uniform(0.45, 0.8) * hair * torn
        mask[window] |= np.abs(across) <= half


def _streaks(rng: np.random.Generator, steel: _Steel, gain: Plane, mask: Mask) -> None:
    """Class 3: bands of long straight scratches, all dark or all bright in one image.

    A band reaches from its first scratch to its last, and is rubbed between them: an outline that
    follows nothing in the image could not be learnt.
    """
    unit = steel.unit
    tone = rng.uniform(-0.7, -0.35) if rng.random() < 0.6 else rng.uniform(0.4, 1.4)
    for _ in range(int(rng.integers(2, 6))):
        half = rng.uniform(5, 15) * unit + 0.5
        window, across = _strip(rng, steel, rng.uniform(250, 560) * unit, half, 0)
        depth = np.full_like(across, rng.uniform(0.15, 0.3))
        places = [-0.8, 0.8, *rng.uniform(-0.7, 0.7, int(rng.integers(0, 5)))]
        for place in places:
            thick = rng.uniform(0.7, 3) * unit + 0.4
            line = np.clip(1.5 - np.abs(across - place * half) / thick, 0, 1)
            worn = np.clip(0.7 + 0.4 * _noise(rng, (len(across), 1), 12 * unit, 1), 0.15, 1)
            depth = np.maximum(depth, rng.uniform(0.4, 1) * line * worn)
        # A scratch thins out towards an end that lies inside the image.
        fade = np.clip(np.arange(1, len(across) + 1) / (40 * unit), 0, 1)[:, None]
        depth *= fade if window[0].start > 0 else 1
        depth *= fade[::-1] if window[0].stop < len(gain) else 1
        inside = np.abs(across) <= half
        gain[window] *= 1 + tone * depth * inside
        mask[window] |= inside


def _scale(rng: np.random.Generator, steel: _Steel, gain: Plane, mask: Mask) -> None:
    """Class 4: one to three large rough patches: creased, shaded, lit at the upper rim."""
    unit = steel.unit
    room = 0.4 * (steel.right - steel.left)
    for _ in range(int(rng.integers(1, 4))):
        y, x = steel.place(rng)
        tall, wide = rng.uniform(45, 115) * unit, min(rng.uniform(55, 160) * unit, room)
        window, down, along = _box(steel, y, x, tall, wide)
        size = (len(down), along.size)
        ragged = 0.7 * _noise(rng, size, 45 * unit, 50 * unit)
        ragged += 0.2 * _noise(rng, size, 10 * unit, 14 * unit)
        spread = (down**2 + along**2) * (1.5 + np.clip(ragged, -0.6, 2))
        relief = _noise(rng, size, 14 * unit, 28 * unit)
        relief += 0.6 * _noise(rng, size, 5 * unit, 9 * unit)
        lit = 2 * unit * np.diff(relief, axis=0, prepend=relief[:1])
        crease = rng.uniform(0.1, 0.6) * np.clip(1 - np.abs(relief) / 0.12, 0, 1)
        rim = np.clip(1 - np.abs(spread - 0.78) / 0.08, 0, 1) * np.clip(-3 * down, -1, 1)
        shade = rng.uniform(0.05, 0.45) + crease - 0.4 * lit - 0.5 * rim
        rough = np.clip(1 - rng.uniform(0.5, 1) * shade, 0.15, 2)
        gain[window] = np.where(spread < 0.85, rough, gain[window])
        # The outline runs a little outside of what is rough, as a hand would draw it.
        mask[window] |= spread < 1


_PAINTERS: dict[int, Callable[[np.random.Generator, _Steel, Plane, Mask], None]] = {
    PITS: _pits,
    SEAM: _seam,
    STREAKS: _streaks,
    SCALE: _scale,
}
