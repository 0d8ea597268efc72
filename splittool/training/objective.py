"""What a run minimises: the task's loss, the price of bytes, and the distance from teachers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from splittool.data.images import Canvas
from splittool.models import Segmenter
from splittool.training.average import average_of
from splittool.training.distributed import World
from splittool.training.losses import (
    bce_dice_loss,
    dice_loss,
    entropy_loss,
    image_dice_loss,
    overlap,
)
from splittool.training.precision import autocast
from splittool.training.rate import FRAME_BYTES, PricedNetwork, Rate, rounding_noise
from splittool.training.scoring import tally, valid_pixels
from splittool.training.settings import RECIPES, Settings
from splittool.training.teachers import answers, distillation_loss

Batch = tuple[Tensor, Tensor, Tensor]

IMAGE_DICE = 0.5  # weight of the Dice of single images beside that of a batch


@dataclass(frozen=True)
class Models:
    """The networks of a run.

    Attributes:
        student: The network that is trained, with its starting weights.
        teachers: Networks that it learns from, beside the true masks.
    """

    student: Segmenter
    teachers: Sequence[Segmenter] = ()


class Outcome(NamedTuple):
    """What came of a batch that may be spread over several processes.

    Attributes:
        logits: (B, C, H, W), of this process.
        loss: Over all processes.
        tally: (C, TALLY) of this process; see `splittool.data.scores`.
        frame_bytes: Bytes of the frame of a whole image, over all processes; 0 where bytes have no
            price.
    """

    logits: Tensor
    loss: Tensor
    tally: Tensor
    frame_bytes: float


class Objective:
    """The loss of a network, and of the running mean of its weights.

    Args:
        models: The network and its teachers.
        settings: The settings of the run.
        world: The processes that take part.
        canvas: What a whole image is fitted to.
        steps: Steps of the run.

    Attributes:
        model: What is trained: the network and, where bytes have a price, their prior.
        parallel: The same, with gradients averaged over processes.
        average: The running mean of its weights, where the recipe takes one.
        rate: What bytes cost; None where nothing.
    """

    def __init__(
        self, models: Models, settings: Settings, world: World, canvas: Canvas, steps: int
    ) -> None:
        self.settings, self.world, self.canvas = settings, world, canvas
        self.recipe = RECIPES[settings.recipe]
        self.rate = Rate.of(settings.rate_weight, settings.target_bytes, steps)
        model: nn.Module = PricedNetwork(models.student) if self.rate else models.student
        self.model: nn.Module = model.to(world.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.parallel: nn.Module = world.wrap(self.model)
        self.average = average_of(self.model) if self.recipe.average else None
        self.teachers = [teacher.to(world.device) for teacher in models.teachers]

    @property
    def kept(self) -> Segmenter:
        """The network that is kept: the mean, where there is one; without the prior."""
        model = self._validated
        kept = model.segmenter if isinstance(model, PricedNetwork) else model
        assert isinstance(kept, Segmenter)
        return kept

    @property
    def _validated(self) -> nn.Module:
        return self.model if self.average is None else self.average.module

    def train(self, mode: bool) -> None:
        """Learn, or be validated."""
        self.parallel.train(mode)
        self._validated.train(mode)

    def evaluate(self, batch: Batch, step: int) -> Outcome:
        """Run a batch.

        Args:
            batch: Pixels (B, 3, H, W), masks (B, C, H, W) and valid sizes (B, 2); B may be 0.
            step: How many steps of the run are done.
        """
        device = self.world.device
        pixels = batch[0].to(device, memory_format=torch.channels_last, non_blocking=True)
        masks = batch[1].to(device, non_blocking=True)
        valid = valid_pixels(batch[2], masks)
        with autocast(self.settings.precision, device):
            logits, *bits = self._run(pixels, step) if len(pixels) else (masks,)
        # Planes of a class in one piece, as the masks are: loss and scores take half the time.
        logits = logits.float().contiguous()
        loss = self._task_loss(logits, masks.float(), valid)
        frame_bytes = 0.0
        if self.rate:
            price, sent = self._bits_per_pixel(pixels, bits)
            loss = loss + self.rate.at(step) * price
            area = self.canvas.height * self.canvas.width
            frame_bytes = float(sent.detach()) * area / 8 + FRAME_BYTES
        if self.teachers and self.parallel.training:
            with autocast(self.settings.precision, device):
                taught = answers(self.teachers, pixels)
            loss = loss + distillation_loss(logits, taught, valid, self.world.add_up)
        return Outcome(logits, loss, tally(logits.detach(), masks, valid), frame_bytes)

    def _run(self, pixels: Tensor, step: int) -> tuple[Tensor, ...]:
        """Logits and, where bytes have a price, the bits of each image: priced and sent."""
        if self.rate is None:
            network = self.parallel if self.parallel.training else self._validated
            return (network(pixels),)  # only the parallel one has gradients
        if not self.parallel.training:
            found: tuple[Tensor, ...] = self._validated(pixels)
            return found
        assert isinstance(self.model, PricedNetwork)
        size, rank = self.world.size, self.world.rank
        shape = self.model.latent_shape(len(pixels) * size, *pixels.shape[2:])
        noise = rounding_noise(shape, (self.settings.seed, step), slice(rank, None, size))
        rounded = self.rate.is_rounded(step)
        return self.parallel(pixels, noise.to(pixels.device), rounded)  # type: ignore[no-any-return]

    def _task_loss(self, logits: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
        """The recipe's loss; where it is weighed against bits, all pixels and images count."""
        add_up = self.world.add_up
        recipe = self.recipe
        if self.rate is None:
            hardest, own = recipe.hardest, recipe.own
            return bce_dice_loss(logits, masks, valid, recipe.dice, add_up, hardest, own)
        found = overlap(logits, masks, valid)
        loss = entropy_loss(logits, masks, valid, add_up) + dice_loss(found, recipe.dice, add_up)
        return loss + IMAGE_DICE * image_dice_loss(found, add_up)

    def _bits_per_pixel(self, pixels: Tensor, bits: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Those priced and those sent, over all processes."""
        area = torch.tensor(float(pixels[:, 0].numel()), device=pixels.device)
        sums = [each.sum().float() for each in bits] or [torch.zeros_like(area)] * 2
        total = self.world.add_up(torch.stack([*sums, area]))
        return total[0] / total[2], total[1] / total[2]
