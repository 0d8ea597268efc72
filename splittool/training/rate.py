"""The price of bytes in training: what a latent costs, how much that counts, and when.

A network with a latent learns to say more with fewer bits because its loss holds their number
times a weight, lambda. The weight starts low, so that the network first learns the task, and grows
over a part of the run. A target in bytes replaces the last weight: a controller then finds it.
"""

import math
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from splittool.codec.latent_model import GROUPS
from splittool.codec.latents import PASSES
from splittool.models import LatentNetwork, Segmenter
from splittool.models.latent import straight_through, symbols
from splittool.models.priors import ContextPrior

FRAME_BYTES = 6  # what a short frame adds to the payload of one tensor

FIRST_WEIGHT = 0.02
WEIGHT = 2.0  # of bits per pixel, where neither a weight nor a target is given
RAMP = (0.25, 0.5)  # the parts of a run between which the weight grows
ROUNDED_FROM = 0.5  # of a run: noise before, rounding after
REACHED = 0.75  # of a run: from the end of the ramp to here the bytes are led to a target


class PricedNetwork(nn.Module):
    """A network with a latent, and the prior that says what the latent costs.

    Args:
        segmenter: A `LatentNetwork`.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        super().__init__()
        self.segmenter = segmenter
        passes = [each.places for each in PASSES]
        self.prior = ContextPrior(latent_channels(segmenter), passes, GROUPS)

    def latent_shape(self, images: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Shape of the latent of some images."""
        stride = latent_network(self.segmenter).latent_stride
        return images, latent_channels(self.segmenter), height // stride, width // stride

    def forward(
        self, pixels: Tensor, noise: Tensor | None = None, rounded: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, classes, H, W), and twice the bits of each image (B,).

        The first bits are those to learn from: of the latent with noise, where there is noise. The
        others are those of the rounded latent, which is what is sent. Noise costs more.

        Args:
            pixels: (B, 3, H, W).
            noise: Of the latent's shape, from -1/2 to 1/2, in place of rounding, which has no
                gradient; None where nothing is learnt.
            rounded: Whether the cloud side gets the rounded latent, else that with noise.
        """
        network = latent_network(self.segmenter)
        latent = network.encode(self.segmenter.normalise(pixels)).float()
        if noise is None:
            sent = latent = symbols(latent)
        else:
            sent, latent = straight_through(latent), latent + noise
        logits = network.decode(sent if rounded else latent)
        whole = sent.detach()
        with torch.autocast(pixels.device.type, enabled=False):
            bits: Tensor = self.prior(latent, whole)
            with torch.no_grad():
                spent: Tensor = bits if noise is None else self.prior(whole, whole)
        return logits, bits.sum((1, 2, 3)), spent.sum((1, 2, 3))


def latent_channels(segmenter: Segmenter) -> int:
    """Channels of a network's latent."""
    return latent_network(segmenter).latent.out_channels


def latent_network(segmenter: Segmenter) -> LatentNetwork:
    """The network that has the latent."""
    assert isinstance(segmenter.network, LatentNetwork)
    return segmenter.network


def rounding_noise(
    shape: tuple[int, ...], seed: tuple[int, ...], share: slice = slice(None)
) -> Tensor:
    """Uniform noise from -1/2 to 1/2 for a batch, or for the share of it that a process has.

    Args:
        shape: (B, C, H, W) of the whole batch.
        seed: What it depends on: the same seed gives the same noise on any number of processes.
        share: The images of this process.
    """
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch.rand(shape, generator=torch.Generator().manual_seed(state))[share] - 0.5


class RateState(msgspec.Struct):
    """What a controller keeps from step to step.

    Attributes:
        error: The running mean of log(bytes / target) of the training batches; None before the
            first.
        integral: The sum, times a gain, of how far it was from where it was led.
        start: The error when the weight had grown; None before.
        ratio: Bytes of whole validation images divided by those of training batches, which are
            windows, chosen by class and augmented.
    """

    error: float | None = None
    integral: float = 0.0
    start: float | None = None
    ratio: float = 1.0

    def check(self) -> None:
        """Raise a ValueError if it cannot come from a controller."""
        numbers = (self.error or 0.0, self.integral, self.start or 0.0, self.ratio)
        if not all(map(math.isfinite, numbers)) or self.ratio <= 0:
            raise ValueError(f"the rate's controller has the state {numbers}")


@dataclass
class Rate:
    """How much bits count at each step of a run.

    The weight grows from `FIRST_WEIGHT` to `weight` in geometric progression. With a target, a
    proportional and integral controller of its logarithm then corrects it: it leads the bytes of
    training batches, times the ratio by which whole images differ, to the target, and holds them
    there. All at once would take a weight that makes the network forget its task.

    Attributes:
        weight: Loss of one bit per pixel; with a target where the controller starts.
        target: Bytes of the frame of a whole image; None leaves the weight alone.
        steps: Steps of the whole run.
        state: What the controller has seen.
    """

    weight: float
    target: float | None
    steps: int
    state: RateState

    @staticmethod
    def of(weight: float | None, target: float | None, steps: int) -> "Rate | None":
        """The rate of a run; None where bytes have no price."""
        return None if weight is None else Rate(weight, target, steps, RateState())

    # Chosen on simulated networks that follow slowly, and ever more so as the learning rate falls.
    _PROPORTIONAL = 4.0
    _INTEGRAL = 25.0  # over the steps after the ramp
    _MEMORY = 20  # steps that the mean error is of
    _LARGE = 0.3  # an error counts no more in the proportional part: a leap would break the network
    _SMALL = 0.2  # and no more in the integral one: no winding up while the network follows
    _CORRECTION = 3.5  # the most that the logarithm of the weight is corrected by

    def at(self, step: int) -> float:
        """The weight after so many steps."""
        start, end = (self.steps * part for part in RAMP)
        grown = min(1.0, max(0.0, (step - start) / (end - start)))
        log = math.log(FIRST_WEIGHT) + grown * math.log(self.weight / FIRST_WEIGHT)
        if self.target is not None and grown == 1:
            pushed = self._PROPORTIONAL * _limited(self._astray(step), self._LARGE)
            log += _limited(pushed + self.state.integral, self._CORRECTION)
        return math.exp(log)

    def _astray(self, step: int) -> float:
        """How far the mean error is from where it is led: from `start` down to 0."""
        state = self.state
        if state.error is None or state.start is None:
            return 0.0
        left = max(0.0, 1 - (step / self.steps - RAMP[1]) / (REACHED - RAMP[1]))
        return state.error - state.start * left

    def is_rounded(self, step: int) -> bool:
        """Whether the cloud side gets rounded latents after so many steps."""
        return step >= ROUNDED_FROM * self.steps

    def observe(self, step: int, frame_bytes: float) -> None:
        """Take down the bytes of a whole image, judged by a training batch."""
        if self.target is None:
            return
        state = self.state
        error = math.log(frame_bytes * state.ratio / self.target)
        if state.error is None:
            state.error = error
        state.error += (error - state.error) / self._MEMORY
        if step >= RAMP[1] * self.steps:
            if state.start is None:
                state.start = state.error
            gain = self._INTEGRAL / ((1 - RAMP[1]) * self.steps)
            state.integral += gain * _limited(self._astray(step), self._SMALL)

    def compare(self, frame_bytes: float) -> None:
        """Take down the bytes of a whole image, judged by the validation part."""
        if self.target is None or self.state.error is None:
            return
        # Half of what the ratio is off, for a batch's bytes are already those of later weights.
        off = math.log(frame_bytes / self.target) - self.state.error
        self.state.ratio = math.exp(_limited(math.log(self.state.ratio) + off / 2, 3.0))
        self.state.error += off / 2


def _limited(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))
