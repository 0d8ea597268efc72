"""The paper's loss: binary cross-entropy + (1 - Dice), equations 1 to 3."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

# Pixels added to both sides of the fraction, so that empty against empty is 1.
SMOOTH = 1.0


def bce_dice_loss(
    logits: Tensor,
    masks: Tensor,
    valid: Tensor,
    dice: Literal["image", "batch"],
    add_up: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> Tensor:
    """Loss of a batch that may be spread over several processes.

    Every sum goes through `add_up` before it is divided, so each process has the loss of the whole
    batch, whatever its share of it.

    Args:
        logits: (B, C, H, W) float32.
        masks: (B, C, H, W) float32 of 0 and 1.
        valid: (B, 1, H, W) float32, 0 where the canvas is padding.
        dice: Over which pixels a Dice coefficient is taken; see `Recipe`.
        add_up: Differentiable sum over processes.

    Returns:
        The loss, a scalar.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, masks, valid, reduction="sum")
    total = add_up(torch.stack([entropy, valid.sum() * logits.shape[1]]))
    probabilities = torch.sigmoid(logits) * valid
    common = (probabilities * masks).sum((2, 3))
    both = probabilities.sum((2, 3)) + masks.sum((2, 3))
    if dice == "batch":
        truth = masks.sum((0, 2, 3))
        common, both, truth = add_up(torch.stack([common.sum(0), both.sum(0), truth]))
        # A class the batch does not show is left to the cross-entropy: its Dice would fall like
        # 1 / predicted pixels, so steep near zero that a rare class is driven out for good.
        shown = (truth > 0).float()
        each = (2 * common + SMOOTH) / (both + SMOOTH) * shown
        coefficient = torch.where(shown.sum() > 0, each.sum() / shown.sum().clamp(min=1), 1.0)
    else:
        each = (2 * common + SMOOTH) / (both + SMOOTH)
        summed, number = add_up(torch.stack([each.sum(), each.new_tensor(each.numel())]))
        coefficient = summed / number
    return total[0] / total[1] + 1 - coefficient
