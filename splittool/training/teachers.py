"""Distillation: a network learns from what trained ones say, beside the true masks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from splittool.errors import InputError
from splittool.models import Segmenter, checkpoints

WEIGHT = 2.0
TEMPERATURE = 1.5  # softens what they say, which is often all or nothing


def load_teachers(paths: Sequence[Path], classes: Sequence[str]) -> list[Segmenter]:
    """Networks to learn from.

    Raises:
        InputError: A file is damaged, or its network has other classes.
    """
    teachers = []
    for path in paths:
        found = checkpoints.load(path)
        if found.classes != list(classes):
            raise InputError(
                f"teacher {path} knows the classes {', '.join(found.classes)}, and the images"
                f" have {', '.join(classes)}; give one that was trained on the same classes"
            )
        teachers.append(checkpoints.restore(path, found).requires_grad_(False))
    return teachers


@torch.no_grad()
def answers(teachers: Sequence[Segmenter], pixels: Tensor) -> Tensor:
    """The mean of what teachers say, softened, at half of the resolution.

    Args:
        teachers: The networks, of any stride.
        pixels: (B, 3, H, W), H and W even.

    Returns:
        (B, C, H / 2, W / 2) probabilities.
    """
    height, width = pixels.shape[-2:]
    said = []
    for teacher in teachers:
        margin = (0, -width % teacher.stride, 0, -height % teacher.stride)
        wide = F.pad(pixels.float(), margin, mode="replicate") if any(margin) else pixels
        said.append(_softened(teacher(wide).float()[..., :height, :width]).sigmoid())
    return torch.stack(said).mean(0)


def distillation_loss(
    logits: Tensor, taught: Tensor, valid: Tensor, add_up: Callable[[Tensor], Tensor]
) -> Tensor:
    """Cross-entropy to what teachers say, over all processes.

    Args:
        logits: (B, C, H, W) float32.
        taught: (B, C, H / 2, W / 2), from `answers`.
        valid: (B, 1, H, W), 0 where the canvas is padding.
        add_up: Differentiable sum over processes.
    """
    counted = F.avg_pool2d(valid, 2)
    entropy = F.binary_cross_entropy_with_logits(
        _softened(logits), taught, counted, reduction="sum"
    )
    total = add_up(torch.stack([entropy, counted.sum() * logits.shape[1]]))
    return WEIGHT * total[0] / total[1]


def _softened(logits: Tensor) -> Tensor:
    return F.avg_pool2d(logits, 2) / TEMPERATURE
