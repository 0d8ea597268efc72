"""After training: the model of codec `learned`, fitted to latents of the training images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splittool.codec.latent_model import LatentModel
from splittool.codec.learned import encode
from splittool.models import Segmenter
from splittool.models.splitnet import LIMIT, symbols
from splittool.progress import Progress, counter, nobody
from splittool.training.dataset import SegmentationDataset
from splittool.training.latent_fit import fit
from splittool.training.rate import FRAME_BYTES

MOST_IMAGES = 1000  # more change the model little, and take minutes


def fit_codec_model(
    network: Segmenter, images: SegmentationDataset, progress: Progress = nobody
) -> LatentModel:
    """A model for the latents of a network.

    Args:
        network: A network with a latent, on the CPU.
        images: The training images, whole and as they are.
        progress: Told of each image, then of the fit.
    """
    step = -(-len(images) // MOST_IMAGES)
    return fit(_sent(network, images, range(0, len(images), step), progress), progress=progress)


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
    latents = _sent(network, images, range(len(images)), progress)
    return float(np.mean([len(encode(model, latent)) for latent in latents])) + FRAME_BYTES


def _sent(
    network: Segmenter, images: SegmentationDataset, indices: Sequence[int], progress: Progress
) -> NDArray[Any]:
    """(N, C, H, W) of what is sent of some images: whole numbers from 0 to 2 `LIMIT`."""
    return np.concatenate(list(_latents(network, images, indices, progress)))


@torch.no_grad()
def _latents(
    network: Segmenter, images: SegmentationDataset, indices: Sequence[int], progress: Progress
) -> Iterator[NDArray[Any]]:
    network = network.eval()
    advance = counter(progress, len(indices), "latents")
    for index in indices:
        pixels, _, _ = images[index, (), False]
        latent = network.network.encode(network.normalise(pixels[None]))  # type: ignore[operator]
        yield (symbols(latent) + LIMIT).to(torch.int16).numpy()
        advance()
