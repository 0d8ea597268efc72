"""The running mean of a network's weights, which is what is validated and kept."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

DECAY = 0.99


def average_of(model: nn.Module) -> AveragedModel:
    """An exponential moving average of a network's weights and statistics.

    A single step of a small batch moves the batch statistics and the last layer so far that a
    rare class comes and goes; their mean over some hundred steps does not. The first steps count
    less, min(DECAY, (1 + n) / (10 + n)), so that a short run is not held back by its start.
    """
    return AveragedModel(model, multi_avg_fn=_mean, use_buffers=True)


@torch.no_grad()
def _mean(averages: Sequence[Tensor], values: Sequence[Tensor], updates: Tensor | int) -> None:
    number = int(updates)
    decay = min(DECAY, (1 + number) / (10 + number))
    for average, value in zip(averages, values, strict=True):
        if average.is_floating_point():
            average.lerp_(value, 1 - decay)
        else:  # how many batches were seen
            average.copy_(value)
