"""After training: the model of codec `learned`, fitted to latents of the training images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splittool.codec.latent_model import LatentModel
from splittool.codec.learned import encode
from splittool.models import Segmenter
from splittool.models.latent import LIMIT, symbols
from splittool.progress import Progress, counter, nobody
from splittool.training.dataset import Key, SegmentationDataset
from splittool.training.latent_fit import FEWEST_STEPS, STEPS, fit
from splittool.training.rate import FRAME_BYTES, latent_network

MOST_PIXELS = 10**8  # more change the model little, and take minutes
MOST_COPIES = 4  # of an image: as it is, and augmented
STEPS_AN_EPOCH = 15


def fit_codec_model(
    network: Segmenter,
    images: SegmentationDataset,
    progress: Progress = nobody,
    epochs: int | None = None,
) -> LatentModel:
    """A model for the latents of a network.

    Args:
        network: A network with a latent, on the CPU.
        images: The training images, whole and as they are.
        progress: Told of each image, then of the fit.
        epochs: How long the network was trained: who trains one for minutes does not want to wait
            as long for its codec. None takes the time.
    """
    canvas = images.canvas
    most = max(1, MOST_PIXELS // (canvas.height * canvas.width))
    copies = max(1, min(MOST_COPIES, most // len(images)))
    step = -(-len(images) // most)
    keys: list[Key] = [
        (index, (copy, index), copy > 0)
        for copy in range(copies)
        for index in range(0, len(images), step)
    ]
    steps = STEPS if epochs is None else min(STEPS, STEPS_AN_EPOCH * epochs)
    steps = max(FEWEST_STEPS, steps)
    return fit(_sent(network, images, keys, progress), steps=steps, progress=progress)


def mean_frame_bytes(
    model: LatentModel,
    network: Segmenter,
    images: SegmentationDataset,
    progress: Progress = nobody,
) -> float:
    """Bytes of a frame, header included, over all images: really coded.

    Args:
        model: The model of codec `learned`.
        network: A network with a latent, on the CPU.
        images: Images, whole and as they are.
        progress: Told of each image.
    """
    keys: list[Key] = [(index, (), False) for index in range(len(images))]
    latents = _sent(network, images, keys, progress)
    return float(np.mean([len(encode(model, latent)) for latent in latents])) + FRAME_BYTES


def _sent(
    network: Segmenter, images: SegmentationDataset, keys: Sequence[Key], progress: Progress
) -> NDArray[Any]:
    """(N, C, H, W) of what is sent of some images: whole numbers from 0 to 2 `LIMIT`."""
    return np.concatenate(list(_latents(network, images, keys, progress)))


@torch.no_grad()
def _latents(
    network: Segmenter, images: SegmentationDataset, keys: Sequence[Key], progress: Progress
) -> Iterator[NDArray[Any]]:
    network = network.eval()
    advance = counter(progress, len(keys), "latents")
    for key in keys:
        pixels, _, _ = images[key]
        latent = latent_network(network).encode(network.normalise(pixels[None]))
        yield (symbols(latent) + LIMIT).to(torch.int16).numpy()
        advance()
