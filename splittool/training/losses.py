"""The paper's loss: binary cross-entropy + (1 - Dice), equations 1 to 3."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Pixels added to both sides of the fraction, so that empty against empty is 1.
SMOOTH = 1.0

# Pixels without a class that count in its cross-entropy for each one with it, where only the
# hardest count.
NEGATIVES = 2


def _alone(tensor: Tensor) -> Tensor:
    """The sum over processes where there is one."""
    return tensor


def bce_dice_loss(
    logits: Tensor,
    masks: Tensor,
    valid: Tensor,
    dice: Literal["image", "batch"],
    add_up: Callable[[Tensor], Tensor] = _alone,
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
    entropy = entropy_loss(logits, masks, valid, add_up, hardest, own)
    return entropy + dice_loss(overlap(logits, masks, valid), dice, add_up)


class Overlap(NamedTuple):
    """Sums of probabilities over the pixels of each image and class, all (B, C).

    Attributes:
        common: Where the class is.
        predicted: Everywhere.
        true: Pixels of the class.
    """

    common: Tensor
    predicted: Tensor
    true: Tensor


def overlap(logits: Tensor, masks: Tensor, valid: Tensor) -> Overlap:
    """How far a prediction covers the truth; arguments are those of `bce_dice_loss`."""
    probabilities = _covered(torch.sigmoid(logits), valid)
    return Overlap(_dot(probabilities, masks), probabilities.sum((2, 3)), masks.sum((2, 3)))


def entropy_loss(
    logits: Tensor,
    masks: Tensor,
    valid: Tensor,
    add_up: Callable[[Tensor], Tensor] = _alone,
    hardest: float = 1.0,
    own: float = 0.0,
) -> Tensor:
    """The cross-entropy of `bce_dice_loss`, whose arguments these are."""
    total = add_up(torch.stack(_entropy(logits, masks, valid, hardest)))
    entropy = total[0] / total[1]
    return entropy + own * _own_entropy(logits, masks, add_up) if own else entropy


def dice_loss(
    found: Overlap, dice: Literal["image", "batch"], add_up: Callable[[Tensor], Tensor] = _alone
) -> Tensor:
    """The 1 - Dice of `bce_dice_loss`."""
    both = found.predicted + found.true
    if dice == "image":
        each = (2 * found.common + SMOOTH) / (both + SMOOTH)
        summed, number = add_up(torch.stack([each.sum(), each.new_tensor(each.numel())]))
        mean: Tensor = summed / number
        return 1 - mean
    sums = torch.stack([found.common.sum(0), both.sum(0), found.true.sum(0)])
    common, both, true = add_up(sums)
    # A class the batch does not show is left to the cross-entropy: its Dice would fall like
    # 1 / predicted pixels, so steep near zero that a rare class is driven out for good.
    shown = (true > 0).float()
    each = (2 * common + SMOOTH) / (both + SMOOTH) * shown
    return 1 - torch.where(shown.sum() > 0, each.sum() / shown.sum().clamp(min=1), 1.0)


def image_dice_loss(found: Overlap, add_up: Callable[[Tensor], Tensor] = _alone) -> Tensor:
    """1 - the mean Dice of each image and class that it shows, over all processes."""
    shown = (found.true > 0).float()
    both = found.predicted + found.true
    each = (2 * found.common + SMOOTH) / (both + SMOOTH) * shown
    summed, number = add_up(torch.stack([each.sum(), shown.sum()]))
    return torch.where(number > 0, 1 - summed / number.clamp(min=1), 0.0)


def _covered(values: Tensor, valid: Tensor) -> Tensor:
    """Values, 0 where the canvas is padding; most batches have none, and are left as they are."""
    return values if bool(valid.all()) else values * valid


def _dot(values: Tensor, masks: Tensor) -> Tensor:
    """The sums of values where masks are 1, (B, C), without a tensor of all products."""
    products: Tensor = torch.einsum("bchw,bchw->bc", values, masks)
    return products


def _entropy(logits: Tensor, masks: Tensor, valid: Tensor, hardest: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy summed over the pixels that count, and their number.

    In a mean over all pixels ten pixels of a defect drown, and so do the few of a false alarm. The
    hardest ones (Wu et al., 2016) are just these: missed defects, false alarms and outlines. Of a
    large defect and its surroundings more must count, or it is learnt a few pixels at a time: so
    many that there are as many negatives as `NEGATIVES` says (Liu et al., 2016).
    """
    if hardest == 1:
        # log(1 + e^x) - x y: half the time of torch's own, which weighs every pixel.
        surprise = _covered(F.softplus(logits), valid).sum() - _dot(logits, masks).sum()
        return surprise, valid.sum() * logits.shape[1]
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
