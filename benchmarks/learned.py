"""Bytes and milliseconds of codec `learned`.

    OPENBLAS_NUM_THREADS=1 python benchmarks/learned.py [--latents LATENTS.npy] [--test 4]

Without a file, synthetic latents of three sizes, sparse and alike where they are close. The last
ones are coded with a model that was fitted to the others. `frequencies` is what an ideal codec
makes of them that knows how often each symbol occurs in each channel, and nothing else; `small` and
`zstd` are other codecs. Times are the least of several rounds.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from splittool.codec.learned import decode, encode, ideal_bits
from splittool.codec.payload import CODECS
from splittool.training.latent_fit import fit

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from latents import make_latents

SYNTHETIC = {(400, 8, 14, 14): 1.2, (60, 12, 16, 100): 1.8, (10, 12, 64, 400): 2.6}


def frequency_bytes(seen: Any, latents: Any) -> float:
    """Bytes of a latent by each channel's frequencies."""
    lowest, highest = min(seen.min(), latents.min()), max(seen.max(), latents.max())
    bits = 0.0
    for channel in range(seen.shape[1]):
        counts = np.bincount((seen[:, channel] - lowest).ravel(), minlength=highest - lowest + 1)
        likely = (counts + 0.1) / (counts + 0.1).sum()
        bits -= np.log2(likely[latents[:, channel] - lowest]).sum()
    return bits / 8 / len(latents)


def least_ms(action: Callable[[], Any], rounds: int) -> float:
    """Milliseconds of the fastest round."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return 1e3 * min(times)


def measure(latents: Any, test: int, rounds: int) -> None:
    """Print one line about the last latents."""
    seen, last = latents[:-test], latents[-test:]
    started = time.perf_counter()
    model = fit(seen)
    fitted = time.perf_counter() - started
    payloads = [encode(model, latent) for latent in last]
    for latent, payload in zip(last, payloads, strict=True):
        assert np.array_equal(decode(model, payload, latent.shape), latent)
    symbols = np.clip(last + 128, 0, 255).astype(np.uint8)
    small = np.mean([len(CODECS["small"](each[None], 8).payload) for each in symbols])
    zstd = np.mean([len(zstandard.compress(each.tobytes(), 19)) for each in symbols])
    real = np.mean([len(payload) for payload in payloads])
    ideal = np.mean([ideal_bits(model, latent) / 8 for latent in last])
    encode_ms = np.mean([least_ms(partial(encode, model, x), rounds) for x in last])
    pairs = zip(last, payloads, strict=True)
    decode_ms = np.mean([least_ms(partial(decode, model, p, x.shape), rounds) for x, p in pairs])
    print(
        f"{'x'.join(map(str, last.shape[1:])):12s} {real:8.1f} {ideal:8.1f}"
        f" {frequency_bytes(seen, last):11.1f} {small:8.1f} {zstd:8.1f} {encode_ms:9.2f}"
        f" {decode_ms:9.2f} {fitted:6.1f} {len(model.to_bytes()):8,d}"
    )


def main() -> None:
    """One line for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=Path, help="(N, C, H, W) whole numbers, as .npy")
    parser.add_argument("--test", type=int, default=4, help="how many of the last are coded")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    print(
        "latent          bytes    ideal frequencies    small     zstd encode ms decode ms  fit s"
        "    model"
    )
    if arguments.latents is not None:
        measure(np.load(arguments.latents), arguments.test, arguments.rounds)
        return
    for shape, sparsity in SYNTHETIC.items():
        measure(make_latents(shape, sparsity), arguments.test, arguments.rounds)


if __name__ == "__main__":
    main()
