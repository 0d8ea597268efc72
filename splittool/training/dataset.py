"""Images and masks for training, in an order that depends on the seed and the epoch alone.

Nothing here keeps a random state: sample i of epoch e is the same whether the run was resumed,
how many workers load it and on how many processes it is trained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from splittool.data.image_codecs import through
from splittool.data.images import Canvas, Pixels
from splittool.data.kaggle import Sample
from splittool.training.balance import choose_class
from splittool.training.warp import Warp, Window, random_warp

WARPED = 0.75  # share of the images that an affine map is applied to

# An image to load: its index, the seed of what is random about it, and whether to augment it.
Key = tuple[int, tuple[int, ...], bool]

Item = tuple[Tensor, Tensor, Tensor]


class SegmentationDataset(Dataset[Item]):
    """Samples on their canvas, keyed by `Key`.

    Args:
        samples: The images.
        classes: Names of the masks, in their order.
        canvas: What images are fitted to.
        crop: (height, width) of the window to return instead of the whole canvas, if any.
        jpeg: Lowest and highest quality of JPEG that images go through, if any.
        focus: (N, C) probabilities that an image's window is chosen for a class; see `Balance`.
        affine: Augment by affine maps, too.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        classes: Sequence[str],
        canvas: Canvas,
        crop: tuple[int, int] | None = None,
        jpeg: tuple[int, int] | None = None,
        focus: NDArray[np.float64] | None = None,
        affine: bool = False,
    ) -> None:
        self.jpeg = jpeg
        self.samples = samples
        self.classes = classes
        self.canvas = canvas
        self.crop = crop
        self.focus = focus
        self.affine = affine

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Item:
        """Pixels (3, H, W) uint8, masks (C, H, W) uint8, and the valid (rows, columns)."""
        index, seed, change = key
        sample = self.samples[index]
        rng = np.random.default_rng(seed)
        how = Change.drawn(rng, self.affine) if change else Change()
        pixels, masks = sample.image(), how.masks(sample.masks(self.classes))
        if self.crop is not None and self.jpeg is None and masks.shape[1:] == self._size:
            # Most of a large image is not looked at: only the window is changed.
            window, valid = self._window(index, masks, self._size, rng)
            pixels, masks = how.pixels(pixels, window), masks[:, *window]
        else:
            pixels = how.pixels(pixels)
            if self.jpeg is not None:  # as a camera would, after the light has fallen
                quality = int(rng.integers(self.jpeg[0], self.jpeg[1] + 1))
                pixels = through(pixels, "jpeg", quality).pixels
            pixels, masks = self.canvas.image(pixels), self.canvas.masks(masks)
            valid = self.canvas.valid(sample.height, sample.width)
            if self.crop is not None:
                window, valid = self._window(index, masks, valid, rng)
                pixels, masks = pixels[window], masks[:, *window]
        return (
            torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
            torch.from_numpy(np.ascontiguousarray(masks).view(np.uint8)),
            torch.tensor(valid),
        )

    @property
    def _size(self) -> tuple[int, int]:
        return self.canvas.height, self.canvas.width

    def _window(
        self,
        index: int,
        masks: NDArray[np.bool_],
        valid: tuple[int, int],
        rng: np.random.Generator,
    ) -> tuple[Window, tuple[int, int]]:
        """Rows and columns to show, and how many of them the image covers."""
        assert self.crop is not None
        # Within the image: a window of nothing but padding would teach nothing.
        focus = None if self.focus is None else self.focus[index]
        top, left = choose_window(masks[:, : valid[0], : valid[1]], self.crop, rng, focus)
        bottom, right = (
            min(start + length, whole)
            for start, length, whole in zip((top, left), self.crop, masks.shape[1:], strict=True)
        )
        covered = (min(valid[0], bottom) - top, min(valid[1], right) - left)
        return (slice(top, bottom), slice(left, right)), covered


def choose_window(
    masks: NDArray[np.bool_],
    size: tuple[int, int],
    rng: np.random.Generator,
    focus: NDArray[np.float64] | None = None,
) -> tuple[int, int]:
    """Top and left of a random window.

    Args:
        masks: (C, H, W).
        size: Height and width of the window; it starts at 0 where it is larger than H or W.
        rng: Decides.
        focus: (C,) probabilities that it holds a pixel of the class; see `Balance`. Without them
            it holds a defect, if there is one, three times out of four.
    """
    free = max(0, masks.shape[1] - size[0]), max(0, masks.shape[2] - size[1])
    if focus is None:
        rows, columns = np.nonzero(masks.any(axis=0))
        anywhere = len(rows) == 0 or rng.random() < 0.25
    else:
        chosen = choose_class(focus, rng)
        rows, columns = np.nonzero(masks[[] if chosen is None else [chosen]].any(axis=0))
        anywhere = len(rows) == 0  # an affine map may have moved the class out of the image
    if anywhere:
        return int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))
    pixel = rng.integers(len(rows))
    centre = rows[pixel] - rng.integers(size[0]), columns[pixel] - rng.integers(size[1])
    return int(np.clip(centre[0], 0, free[0])), int(np.clip(centre[1], 0, free[1]))


@dataclass(frozen=True)
class Change:
    """How an image is changed before it is learnt from; by default, not at all.

    Attributes:
        flips: Whether rows and columns are turned round.
        levels: (256,) what becomes of each grey level; None leaves them.
        warp: An affine map; None leaves every pixel where it is.
    """

    flips: tuple[bool, bool] = (False, False)
    levels: NDArray[np.uint8] | None = None
    warp: Warp | None = None

    @staticmethod
    def drawn(rng: np.random.Generator, affine: bool = False) -> "Change":
        """Flips along either axis; light: gain, offset and gamma; and mostly a warp, if asked for.

        Args:
            rng: Decides.
            affine: Whether images are warped.
        """
        flips = (rng.random() < 0.5, rng.random() < 0.5)
        levels = np.linspace(0, 1, 256) ** rng.uniform(0.8, 1.25)
        levels = levels * rng.uniform(0.8, 1.2) + rng.uniform(-0.1, 0.1)
        table = (levels.clip(0, 1) * 255).round().astype(np.uint8)
        warped = affine and rng.random() < WARPED
        return Change(flips, table, random_warp(rng) if warped else None)

    def masks(self, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(C, H, W) masks, changed."""
        turned = np.flip(masks, tuple(axis + 1 for axis in (0, 1) if self.flips[axis]))
        return turned if self.warp is None else self.warp.masks(turned)

    def pixels(self, pixels: Pixels, window: Window | None = None) -> Pixels:
        """(H, W, 3) pixels, changed; of a window of the result, if one is given."""
        turned = np.flip(pixels, tuple(axis for axis in (0, 1) if self.flips[axis]))
        if self.warp is not None:
            return self.warp.pixels(turned, window, self.levels)
        part = turned if window is None else turned[window]
        return part if self.levels is None else self.levels.take(part)


class EpochSampler(Sampler[list[Key]]):
    """The batches of one process, for the epoch set with `start`.

    Args:
        weights: How often each image is shown, relative to the others.
        batch_size: Images per step over all processes.
        seed: Seed of the run.
        augment: Ask for augmented images.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        weights: NDArray[np.float64],
        batch_size: int,
        seed: int,
        augment: bool,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.weights = weights
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.first_step = 0

    def start(self, epoch: int, first_step: int) -> None:
        """Choose the epoch, and skip the steps already done in it."""
        self.epoch = epoch
        self.first_step = first_step

    def __len__(self) -> int:
        """Steps in a whole epoch."""
        return -(-len(self.weights) // self.batch_size)

    def __iter__(self) -> Iterator[list[Key]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        order = systematic_sample(self.weights, rng)
        order = np.resize(order, len(self) * self.batch_size)  # the last batch is filled up
        for step in range(self.first_step, len(self)):
            first = step * self.batch_size
            places = range(first + self.rank, first + self.batch_size, self.world_size)
            yield [
                (int(order[place]), (self.seed, self.epoch, place), self.augment)
                for place in places
            ]


def systematic_sample(weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many indices as there are weights, in random order.

    Each index i comes floor or ceil of n * weights[i] / sum(weights) times, so that equal weights
    give a plain shuffle.
    """
    count = len(weights)
    shuffled = rng.permutation(count)
    edges = np.cumsum(weights[shuffled]) / weights.sum() * count
    picks = np.searchsorted(edges, np.arange(count) + rng.random(), side="right")
    return rng.permutation(shuffled[np.minimum(picks, count - 1)])
