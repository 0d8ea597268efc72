"""What prediction from the frame before is worth, for films of several kinds.

    splittool calibrate cut.json IMAGES --bits 4
    python benchmarks/film.py cut.json IMAGE [--bits 4]

Films are made from one image: it stands still, with and without a sensor's noise, or moves along by
some pixels a frame. Bytes are means of the frames after the first.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from splittool.data.images import read_image
from splittool.split.options import LinkOptions, RunOptions
from splittool.split.split_network import SplitNetwork

# Pixels a frame, and grey levels of noise.
FILMS = {
    "still": (0, 0.0),
    "still, noise of 0.5 levels": (0, 0.5),
    "still, noise of 2 levels": (0, 2.0),
    "moving 1 pixel": (1, 0.0),
    "moving 16 pixels": (16, 0.0),
    "moving 16 pixels, noise of 2 levels": (16, 2.0),
}


def film(image: np.ndarray[Any, Any], frames: int, speed: int, noise: float) -> Iterator[Any]:
    """The image, moving to the right and around, with noise of its own in each frame."""
    chance = np.random.default_rng(0)
    for number in range(frames):
        moved = np.roll(image, number * speed, axis=1).astype(np.float32)
        grain = chance.normal(0, noise, (*moved.shape[:2], 1)) if noise else 0.0
        yield np.clip(np.rint(moved + grain), 0, 255).astype(np.uint8)


def main() -> None:
    """One line for each film and codec."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cut", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--bits", type=int, default=4)
    parser.add_argument("--frames", type=int, default=6)
    arguments = parser.parse_args()
    split = SplitNetwork.open(arguments.cut)
    head = split.head(RunOptions(precision="f32"))
    image = split.canvas().image(read_image(arguments.image))
    print("film                                 codec   alone kB  predicted kB  ratio  encode ms")
    for name, (speed, noise) in FILMS.items():
        for codec in ("fast", "small"):
            sizes: dict[int, list[int]] = {1: [], arguments.frames: []}
            times: dict[int, list[float]] = {1: [], arguments.frames: []}
            links = {
                every: split.link(
                    LinkOptions(arguments.bits, codec, "calibrated", key_interval=every)
                )
                for every in sizes
            }
            for number, pixels in enumerate(film(image, arguments.frames, speed, noise)):
                tensors = head.run(pixels)
                for every, link in links.items():
                    started = time.perf_counter()
                    sizes[every].append(len(link.encode(number, tensors)))
                    times[every].append((time.perf_counter() - started) * 1e3)
            alone, predicted = (np.mean(found[1:]) / 1e3 for found in sizes.values())
            before, after = (np.median(found[1:]) for found in times.values())
            print(
                f"{name:36} {codec:6} {alone:9.1f} {predicted:13.1f} {predicted / alone:6.2f}"
                f"  {before:.1f}, {after:.1f}"
            )


if __name__ == "__main__":
    main()
