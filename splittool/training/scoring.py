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
    counts = torch.stack([_pixels(predicted & truth), _pixels(predicted), _pixels(truth)], -1)
    return torch.from_numpy(scores.tally(counts.cpu().numpy()))


def _pixels(masks: Tensor) -> Tensor:
    """How many pixels of each image and class are set, (B, C)."""
    # Plane by plane: over the last axes of all, torch takes twenty times as long.
    counts = [plane.count_nonzero() for plane in masks.flatten(0, 1)]
    none = torch.zeros((), dtype=torch.int64, device=masks.device)  # of a process without images
    return torch.stack([none, *counts])[1:].view(masks.shape[:2])
