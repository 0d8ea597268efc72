"""What each part of the recipe `balanced` gives where defects are small and rare.

    python benchmarks/rare_classes.py FOLDER [--images 360] [--epochs 12] [--only NAME ...]

FOLDER gets two sets in Kaggle's layout, `seen` and `unseen`, unless it has them: splittool's
synthetic steel in sizes from 103x222 to 632x403, more than half of it clean, with five kinds of
defect of 0.01 to 0.04 % of the pixels each. A U-Net is trained on `seen` by the recipe, and by the
recipe without one of its parts, for the same number of steps; all are scored on `unseen`.
"""

import argparse
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from splittool.data import rle, scores, synthetic
from splittool.data.kaggle import read_folder, write_labels
from splittool.models import checkpoints
from splittool.quantities import parse_size
from splittool.training.run import TrainingOptions, train
from splittool.training.settings import RECIPES, make_settings

Plane = NDArray[np.float64]

SIZES = (103, 632), (222, 403)  # smallest and largest height, and width
BLACK = 12  # grey levels of what is beside the sheet

VARIANTS: dict[str, dict[str, Any]] = {
    "balanced": {},
    "no affine maps": {"affine": False},
    "no running mean": {"average": False},
    "any gradient": {"clip": None},
    "no weight of its own": {"own": 0.0},
    "all pixels alike": {"hardest": 1.0},
    "windows by image": {"balance": False},
    "none of these": {
        "affine": False,
        "average": False,
        "clip": None,
        "own": 0.0,
        "hardest": 1.0,
        "balance": False,
    },
}


def pore(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """A small dark ellipse; gain and mask at distances `u` and `v` from its middle, pixels."""
    distance = (u / rng.uniform(4, 8)) ** 2 + (v / rng.uniform(3, 6)) ** 2
    return -rng.uniform(0.3, 0.6) * np.clip(1.3 - distance, 0, 1), distance < 1


def crack(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """A dark wavy hair across the rolling, in whatever direction `u` runs."""
    along, half = np.abs(u) < rng.uniform(20, 40), rng.uniform(1.5, 2.5)
    across = np.abs(v + 2 * np.sin(u / 7))
    return -rng.uniform(0.25, 0.5) * np.clip(1.4 - across / half, 0, 1) * along, along & (
        across < half
    )


def ring(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """A bright ring; its mask is the disc."""
    distance = np.hypot(u, v) / rng.uniform(5, 9)
    return rng.uniform(0.3, 0.6) * np.exp(-(((distance - 0.75) / 0.2) ** 2)), distance < 1


def scratch(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """A bright straight line along the rolling."""
    along, half = np.abs(v) < rng.uniform(25, 45), rng.uniform(1.5, 2.5)
    across = np.abs(u)
    return rng.uniform(0.25, 0.6) * np.clip(1.4 - across / half, 0, 1) * along, along & (
        across < half
    )


def ripple(rng: np.random.Generator, u: Plane, v: Plane) -> tuple[Plane, NDArray[np.bool_]]:
    """A faint patch of ridges."""
    distance = (u / rng.uniform(8, 13)) ** 2 + (v / rng.uniform(6, 10)) ** 2
    ridges = rng.uniform(0.15, 0.25) * np.sign(np.sin(1.6 * u))
    return ridges * np.clip(1.5 - distance, 0, 1), distance < 1


# Each with the share of the images that show it, and how far it may be turned, radians.
PAINTERS: tuple[tuple[Callable[..., Any], float, float], ...] = (
    (pore, 0.13, np.pi),
    (crack, 0.11, 0.3),
    (ring, 0.10, np.pi),
    (scratch, 0.09, 0.3),
    (ripple, 0.06, np.pi),
)
CLASSES = tuple(painter.__name__ for painter, _, _ in PAINTERS)


def draw(seed: int, index: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Image `index` of a set: (H, W) grey levels, and (5, H, W) masks."""
    rng = np.random.default_rng([seed, index])
    height, width = (int(rng.integers(low, high + 1)) for low, high in SIZES)
    if index == 0:  # every set has the same canvas
        height, width = (high for _, high in SIZES)
    grey, _ = synthetic.render(rng, height, width)
    steel, light = grey > BLACK, grey.astype(float)
    masks = np.zeros((len(CLASSES), height, width), dtype=bool)
    rows, columns = np.nonzero(steel[8:-8, 8:-8])
    for mask, (painter, share, turn) in zip(masks, PAINTERS, strict=True):
        for _ in range(int(rng.integers(1, 3)) if rng.random() < share else 0):
            place = rng.integers(len(rows))
            down, along = np.ogrid[:height, :width]
            y, x = down - rows[place] - 8, along - columns[place] - 8
            angle = rng.uniform(-turn, turn)
            u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            gain, inside = painter(rng, u, v)
            light *= 1 + gain * steel
            mask |= inside & steel
    return light.round().clip(0, 255).astype(np.uint8), masks


def make(folder: Path, images: int, seed: int) -> None:
    """Write a set in Kaggle's layout, and say how rare its defects are."""
    (folder / "train_images").mkdir(parents=True)
    rows: list[tuple[str, str, str]] = []
    pixels: dict[str, int] = defaultdict(int)
    total = 0
    for index in range(images):
        grey, masks = draw(seed, index)
        name = f"sheet_{index:04d}.png"
        Image.fromarray(grey).save(folder / "train_images" / name)
        total += grey.size
        for kind, mask in zip(CLASSES, masks, strict=True):
            if mask.any():
                rows.append((name, kind, rle.encode(mask)))
                pixels[kind] += int(mask.sum())
    (folder / "train.csv").write_bytes(write_labels(rows))
    shares = ", ".join(f"{kind} {pixels[kind] / total:.3%}" for kind in CLASSES)
    clean = 1 - len({name for name, _, _ in rows}) / images
    print(f"{folder}: {images} images, {clean:.0%} clean, pixels: {shares}", flush=True)


@torch.no_grad()
def score(model: Path, folder: Path) -> scores.Scores:
    """Scores on all images of a folder, each on the network's canvas."""
    checkpoint = checkpoints.load(model)
    network = checkpoints.restore(model, checkpoint).eval()
    samples, _ = read_folder(folder)
    counts = []
    for sample in samples:
        pixels = checkpoint.canvas.image(sample.image()).transpose(2, 0, 1)
        logits = network(torch.from_numpy(np.ascontiguousarray(pixels))[None])[0]
        found = logits[:, : sample.height, : sample.width].numpy() > 0
        counts.append(scores.count(found, sample.masks(checkpoint.classes)))
    return scores.summarise(scores.tally(np.stack(counts)))


def main() -> None:
    """Make the sets, train, score, and print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=360)
    parser.add_argument("--unseen", type=int, default=120)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--crop", type=parse_size, default=(128, 128))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    given = parser.parse_args()
    sets = given.folder / "seen", given.folder / "unseen"
    for seed, (folder, images) in enumerate(zip(sets, (given.images, given.unseen), strict=True)):
        if not folder.exists():
            make(folder, images, seed)
    print("| recipe | Dice | by class | pooled | Kaggle's metric | its floor | CPU s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    whole = RECIPES["balanced"]
    for number, name in enumerate(given.only):
        RECIPES["balanced"] = replace(whole, **VARIANTS[name])
        before = os.times()
        settings = make_settings(
            epochs=given.epochs, seed=given.seed, crop=given.crop, validation=0.05
        )
        model = given.folder / f"{number}.pt"
        train(sets[0], model, settings, TrainingOptions(workers=0, force=True))
        spent = sum(os.times()[:2]) - sum(before[:2])
        found = score(model, sets[1])
        classes = " ".join(f"{dice or 0:.2f}" for dice in found.dice_per_class)
        print(
            f"| {name} | {found.dice or 0:.3f} | {classes} | {found.pooled_dice or 0:.3f} |"
            f" {found.kaggle:.3f} | {found.floor:.3f} | {spent:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
