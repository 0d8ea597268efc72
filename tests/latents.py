"""Latents like those of a trained network: sparse, and alike where they are close."""

import numpy as np

Latents = np.ndarray


def make_latents(shape: tuple[int, int, int, int], sparsity: float, seed: int = 0) -> Latents:
    """(N, C, H, W) whole numbers; the larger `sparsity`, the more zeros."""
    _, channels, height, width = shape
    chance = np.random.default_rng(seed)
    mix = np.random.default_rng(5).standard_normal((channels, 4)) / 2
    gain = np.linspace(0.5, 1.5, channels)[:, None, None]
    found = np.zeros(shape, np.int16)
    for latent in found:
        activity = _smooth(chance.standard_normal((1, height, width)), 2.5) - sparsity
        parts = _smooth(chance.standard_normal((4, height, width)), 1.0)
        noise = chance.standard_normal((channels, height, width))
        wave = 0.7 * np.einsum("ck,khw->chw", mix, parts) + 0.7 * noise
        latent[...] = np.rint(1.2 * gain * wave * np.exp(activity) * np.maximum(activity + 1, 0))
    return found


def _smooth(planes: Latents, width: float) -> Latents:
    """Blurred, with the variance that it had."""
    reach = int(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    for axis in (-1, -2):
        padded = np.pad(
            planes, [(0, 0)] + [(reach, reach) if a == axis else (0, 0) for a in (-2, -1)]
        )
        planes = np.apply_along_axis(lambda v: np.convolve(v, kernel, "valid"), axis, padded)
    return planes
