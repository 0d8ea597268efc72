"""Training images per second of splittool against a plain PyTorch loop, in one run.

    python benchmarks/training_speed.py FOLDER [--rounds 3] [--steps 6]

Both train the same network on the same images of FOLDER (Kaggle's layout) with the same batch, loss
and optimiser. The plain loop is what one writes first: a DataLoader, default precision and memory
layout. The two take turns, so that a noisy machine slows both.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from splittool.data.images import Canvas
from splittool.data.kaggle import read_folder
from splittool.models import Segmenter, build, checkpoints
from splittool.training.dataset import SegmentationDataset
from splittool.training.distributed import World
from splittool.training.loop import Outputs, Trainer
from splittool.training.losses import bce_dice_loss
from splittool.training.observer import Observer
from splittool.training.precision import choose_precision
from splittool.training.run import make_settings

BATCH = 4


class PlainDataset(SegmentationDataset):
    """The same images, keyed by their number and with masks as floats."""

    def __getitem__(self, key: Any) -> Any:
        pixels, masks, _ = super().__getitem__((key, (), False))
        return pixels.float(), masks.float()


def plain_epoch(model: Segmenter, data: PlainDataset) -> float:
    """Seconds per step of a plain loop."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(data, BATCH, shuffle=True, num_workers=1)
    started, steps = time.perf_counter(), 0
    for pixels, masks in loader:
        optimizer.zero_grad()
        valid = torch.ones_like(masks[:, :1])
        loss = bce_dice_loss(model(pixels), masks, valid, "batch")
        loss.backward()
        optimizer.step()
        loss.item()
        steps += 1
    return (time.perf_counter() - started) / steps


def our_epoch(trainer: Trainer) -> float:
    """Seconds per step of splittool's loop, with augmentation, balanced sampling and scores."""
    from splittool.interrupt import Interrupt

    trainer.progress = trainer._new_epoch(1)
    started = time.perf_counter()
    trainer._train_epoch(Interrupt())
    return (time.perf_counter() - started) / len(trainer.sampler)


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
        "balanced",
        {"epochs": 1000, "batch_size": BATCH, "precision": choose_precision("auto", device)},
    )
    torch.manual_seed(0)
    plain = build("unet", len(classes), settings.options)
    ours = build("unet", len(classes), settings.options)
    canvas = Canvas.around([(s.height, s.width) for s in samples], ours.stride)
    data = SegmentationDataset(samples, classes, canvas)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=ours,
            content={
                **checkpoints.model_content(ours, "unet", settings.options, classes, canvas),
                "split": {},
            },
            settings=settings,
            training=data,
            validation=data,
            weights=torch.ones(len(samples)).double().numpy(),
            outputs=Outputs.beside(Path(folder) / "unet.pt"),
            world=World(0, 1, device),
            observer=Observer(),
            workers=1,
        )
        our_epoch(trainer)  # warm-up
        rounds = []
        for number in range(arguments.rounds):
            seconds = plain_epoch(plain, PlainDataset(samples, classes, canvas)), our_epoch(trainer)
            rounds.append(seconds)
            print(f"round {number + 1}: plain {seconds[0]:.3f} s/step, splittool {seconds[1]:.3f}")
    plain_s, ours_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"{canvas.height}x{canvas.width}, batch {BATCH}, {settings.precision}:"
        f" plain {BATCH / plain_s:.2f} images/s, splittool {BATCH / ours_s:.2f} images/s,"
        f" ratio {plain_s / ours_s:.2f}"
    )


if __name__ == "__main__":
    main()
