"""The paper's loss: binary cross-entropy + (1 - Dice), equations 1 to 3."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

# Pixels added to both sides of the fraction, so that empty against empty is 1.
SMOOTH = 1.0

# Pixels without a class that count in its cross-entropy for each one with it, where only the
# hardest count.
NEGATIVES = 2


def bce_dice_loss(
    logits: Tensor,
    masks: Tensor,
    valid: Tensor,
    dice: Literal["image", "batch"],
    add_up: Callable[[Tensor], Tensor] = lambda tensor: tensor,
    hardest: float = 1.0,
    own: float = 0.0,
) -> Tensor:
    """Loss of a batch that may be spread over several processes.

    Every sum goes through `add_up` before it is divided, so each process has the loss of the whole
    batch, whatever its share of it.

    Args:
        logits: (B, C, H, W) float32.
        masks: (B, C, H, W) float32 of 0 and 1.
        valid: (B, 1, H, W) float32, 0 where the canvas is padding.
        dice: The pixels that one Dice coefficient covers, "image" or "batch"; see `Recipe`.
        add_up: Differentiable sum over processes.
        hardest: Share of each image's pixels, for each class, whose cross-entropy counts at least;
            see `NEGATIVES`.
        own: Weight of each class's cross-entropy over the pixels that show it, in the mean over the
            classes that the batch shows. Beside them all others, a hundred times as many, first
            teach a class to be silent.

    Returns:
        The loss, a scalar.
    """
    total = add_up(torch.stack(_entropy(logits, masks, valid, hardest)))
    entropy = total[0] / total[1]
    if own:
        entropy = entropy + own * _own_entropy(logits, masks, add_up)
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
    return entropy + 1 - coefficient


def image_dice_loss(
    logits: Tensor,
    masks: Tensor,
    valid: Tensor,
    add_up: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> Tensor:
    """1 - the mean Dice of each image and class that it shows, over all processes.

    Arguments are those of `bce_dice_loss`.
    """
    probabilities = torch.sigmoid(logits) * valid
    truth = masks.sum((2, 3))
    shown = (truth > 0).float()
    common = (probabilities * masks).sum((2, 3))
    each = (2 * common + SMOOTH) / (probabilities.sum((2, 3)) + truth + SMOOTH) * shown
    summed, number = add_up(torch.stack([each.sum(), shown.sum()]))
    return torch.where(number > 0, 1 - summed / number.clamp(min=1), 0.0)


def _entropy(logits: Tensor, masks: Tensor, valid: Tensor, hardest: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over the pixels that count, and their number.

    In a mean over all pixels ten pixels of a defect drown, and so do the few of a false alarm. The
    hardest ones (Wu et al., 2016) are just these: missed defects, false alarms and outlines. Of a
    large defect and its surroundings more must count, or it is learnt a few pixels at a time: so
    many that there are as many negatives as `NEGATIVES` says (Liu et al., 2016).
    """
    if hardest == 1:
        summed = F.binary_cross_entropy_with_logits(logits, masks, valid, reduction="sum")
        return summed, valid.sum() * logits.shape[1]
    each = F.binary_cross_entropy_with_logits(logits, masks, valid, reduction="none").flatten(2)
    area = valid.sum((2, 3))  # (B, 1)
    number = torch.maximum((hardest * area).ceil(), (1 + NEGATIVES) * masks.sum((2, 3)))
    number = torch.minimum(number, area)
    # Padding has none, so it is never among the pixels that count.
    planes = zip(each.flatten(0, 1), number.flatten().int().tolist(), strict=True)
    sums = [plane.topk(count, sorted=False).values.sum() for plane, count in planes]
    return torch.stack([each.new_zeros(()), *sums]).sum(), number.sum()


def _own_entropy(logits: Tensor, masks: Tensor, add_up: Callable[[Tensor], Tensor]) -> Tensor:
    """Cross-entropy of each class over its own pixels, in the mean over the classes shown."""
    summed = (F.softplus(-logits) * masks).sum((0, 2, 3))  # -log of the probability
    summed, number = add_up(torch.stack([summed, masks.sum((0, 2, 3))]))
    shown = (number > 0).sum().clamp(min=1)
    mean: Tensor = (summed / number.clamp(min=1)).sum() / shown
    return mean
