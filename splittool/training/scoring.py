"""Dice of a batch, as sums that can be added up over batches and processes."""

import torch
from torch import Tensor

from splittool.data import scores


def valid_pixels(sizes: Tensor, masks: Tensor) -> Tensor:
    """Where a canvas holds an image and not padding.

    Args:
        sizes: (B, 2) rows and columns of each image.
        masks: (B, C, H, W), for the height, the width and the device.

    Returns:
        (B, 1, H, W) float32 of 0 and 1.
    """
    height, width = masks.shape[-2:]
    rows = torch.arange(height, device=masks.device) < sizes[:, :1].to(masks.device)
    columns = torch.arange(width, device=masks.device) < sizes[:, 1:].to(masks.device)
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()


def tally(logits: Tensor, masks: Tensor, valid: Tensor) -> Tensor:
    """Dice of a batch at threshold 0.5, added up per class.

    Args:
        logits: (B, C, H, W).
        masks: (B, C, H, W) of 0 and 1.
        valid: (B, 1, H, W) of 0 and 1.

    Returns:
        (C, TALLY) float64; see `splittool.data.scores.tally`.
    """
    predicted = (logits > 0) & (valid > 0)
    truth = masks > 0
    counts = torch.stack(
        [(predicted & truth).sum((2, 3)), predicted.sum((2, 3)), truth.sum((2, 3))]
    )
    return torch.from_numpy(scores.tally(counts.permute(1, 2, 0).cpu().numpy()))
