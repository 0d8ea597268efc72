"""Training images per second of splittool against a plain PyTorch loop, in one run.

    python benchmarks/training_speed.py FOLDER [--rounds 3] [--steps 6]

Both train the same network on the same images of FOLDER (Kaggle's layout) with the same batch, loss
and optimiser. The plain loop is what one writes first: a DataLoader, default precision and memory
layout. The two take turns, so that a busy machine slows both, and both times are told: the clock's,
and the processor's, all processes and threads together, which other programs hardly change.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader

from splittool.data.images import Canvas
from splittool.data.kaggle import read_folder
from splittool.interrupt import Interrupt
from splittool.models import Segmenter, build
from splittool.models.checkpoints import Checkpoint
from splittool.progress import nobody
from splittool.training.dataset import SegmentationDataset
from splittool.training.distributed import World
from splittool.training.loop import Images, Trainer
from splittool.training.losses import bce_dice_loss
from splittool.training.objective import Models
from splittool.training.observer import Observer
from splittool.training.outputs import Outputs
from splittool.training.precision import choose_precision
from splittool.training.settings import make_settings

BATCH = 4


class Seconds(NamedTuple):
    """Seconds per step, by the clock and by the processor."""

    wall: float
    processor: float


def per_step(epoch: Callable[[], None], steps: int) -> Seconds:
    """Time an epoch; the processes that load its images have ended when it returns."""
    wall, before = time.perf_counter(), os.times()
    epoch()
    after = os.times()
    spent = sum(after[:4]) - sum(before[:4])  # user and system, of this process and its children
    return Seconds((time.perf_counter() - wall) / steps, spent / steps)


class PlainDataset(SegmentationDataset):
    """The same images, keyed by their number and with masks as floats."""

    def __getitem__(self, key: Any) -> Any:
        pixels, masks, _ = super().__getitem__((key, (), False))
        return pixels.float(), masks.float()


def plain_epoch(model: Segmenter, data: PlainDataset) -> None:
    """A plain loop."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for pixels, masks in DataLoader(data, BATCH, shuffle=True, num_workers=1):
        optimizer.zero_grad()
        valid = torch.ones_like(masks[:, :1])
        loss = bce_dice_loss(model(pixels), masks, valid, "batch")
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()


def our_epoch(make: Callable[[], Trainer]) -> None:
    """Splittool's loop, with augmentation, balanced sampling and scores."""
    make()._train_epoch(Interrupt())


def main() -> None:
    """Print each round, and the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6)
    arguments = parser.parse_args()
    samples, classes = read_folder(arguments.folder)
    samples = samples[: arguments.steps * BATCH]
    device = torch.device("cpu")
    settings = make_settings(
        epochs=1000, batch_size=BATCH, precision=choose_precision("auto", device)
    )
    torch.manual_seed(0)
    plain = build("unet", len(classes), settings.options)
    ours = build("unet", len(classes), settings.options)
    canvas = Canvas.around([(s.height, s.width) for s in samples], ours.stride)
    data = SegmentationDataset(samples, classes, canvas)
    checkpoint = Checkpoint(
        arch="unet", options=settings.options, classes=list(classes), canvas=canvas, state={}
    )
    images = Images(data, data, np.ones(len(samples)), workers=1)
    with tempfile.TemporaryDirectory() as folder:
        outputs = Outputs.beside(Path(folder) / "unet.pt")

        def trainer() -> Trainer:
            watchers = nobody, Observer()
            return Trainer(
                Models(ours), checkpoint, settings, images, outputs, World(0, 1, device), watchers
            )

        our_epoch(trainer)  # warm-up
        rounds = []
        for number in range(arguments.rounds):
            plain_s = per_step(
                lambda: plain_epoch(plain, PlainDataset(samples, classes, canvas)), arguments.steps
            )
            ours_s = per_step(lambda: our_epoch(trainer), arguments.steps)
            rounds.append((plain_s, ours_s))
            print(
                f"round {number + 1}: plain {plain_s.wall:.3f} s/step"
                f" ({plain_s.processor:.3f} of the processor), splittool {ours_s.wall:.3f}"
                f" ({ours_s.processor:.3f})",
                flush=True,
            )
    print(f"{canvas.height}x{canvas.width}, batch {BATCH}, {settings.precision}:")
    for name in ("wall", "processor"):
        plain_median, ours_median = (
            statistics.median(getattr(seconds, name) for seconds in column)
            for column in zip(*rounds, strict=True)
        )
        print(
            f"{name:9}  plain {plain_median:.3f} s/step, splittool {ours_median:.3f},"
            f" ratio {plain_median / ours_median:.2f}"
        )


if __name__ == "__main__":
    main()
