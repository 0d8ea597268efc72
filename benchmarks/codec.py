"""The codec against plain compressors on the tensors that cross cuts of a trained network.

    pip install "splittool[compressors]"
    python benchmarks/codec.py unet.xml [IMAGES] [--bits 4 8 2] [--points maxpool_1 maxpool_2]

The codecs run in one thread, the head on all processors. All codecs get the same symbols: those of
all crossing tensors of the points, of a few images, quantised per channel from minimum to maximum.
MB/s are of symbols before packing, one byte each up to 8 bits; `memcpy` copies them. Of several
rounds, taken in turn, each tensor counts with its best.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

from splittool.codec.payload import CODECS, decode
from splittool.codec.quantiser import quantise
from splittool.codec.symbols import pack, packed_bytes, unpack
from splittool.data.images import list_images, read_image
from splittool.data.synthetic_folder import write_synthetic
from splittool.graph.reading import load_model
from splittool.network.network import Network
from splittool.runtime.ir import read_info
from splittool.split.options import LinkOptions, RunOptions

Symbols = np.ndarray[Any, np.dtype[Any]]
Pair = tuple[Callable[[Symbols, int], Any], Callable[[Any, Symbols, int], Symbols]]


def arms() -> dict[str, Pair]:
    """Name to (encode, decode); the decoder is given the original for its shape and type."""
    found: dict[str, Pair] = {
        "memcpy": (lambda s, bits: s.copy(), lambda data, s, bits: data.copy())
    }
    for name, codec in CODECS.items():
        found[name] = (
            codec,
            lambda data, s, bits: decode(data.format, data.payload, s.shape, bits),
        )
    found["zstd-1, packed"] = (
        lambda s, bits: zstandard.ZstdCompressor(level=1).compress(pack(s, bits)),
        lambda data, s, bits: unpack(zstandard.ZstdDecompressor().decompress(data), bits, s.size),
    )
    found["zstd-1, not packed"] = (
        lambda s, bits: zstandard.ZstdCompressor(level=1).compress(s.tobytes()),
        lambda data, s, bits: np.frombuffer(zstandard.ZstdDecompressor().decompress(data), s.dtype),
    )
    with contextlib.suppress(ImportError):
        found |= _lz4()
    with contextlib.suppress(ImportError):
        found |= _blosc2()
    with contextlib.suppress(ImportError):
        found |= _images()
    return found


def _lz4() -> dict[str, Pair]:
    import lz4.frame

    return {
        "lz4, packed": (
            lambda s, bits: lz4.frame.compress(pack(s, bits)),
            lambda data, s, bits: unpack(lz4.frame.decompress(data), bits, s.size),
        )
    }


def _blosc2() -> dict[str, Pair]:
    import blosc2

    blosc2.set_nthreads(1)
    return {
        "blosc2, bitshuffle + zstd-1": (
            lambda s, bits: blosc2.compress(
                np.ascontiguousarray(s),
                typesize=s.dtype.itemsize,
                clevel=1,
                filter=blosc2.Filter.BITSHUFFLE,
                codec=blosc2.Codec.ZSTD,
            ),
            lambda data, s, bits: np.frombuffer(blosc2.decompress(data), s.dtype),
        )
    }


def _images() -> dict[str, Pair]:
    import imagecodecs

    def planes(s: Symbols) -> Symbols:
        return s.reshape(-1, *s.shape[-2:])

    return {
        "JPEG-LS, each plane": (
            lambda s, bits: [imagecodecs.jpegls_encode(plane) for plane in planes(s)],
            lambda data, s, bits: np.stack([imagecodecs.jpegls_decode(plane) for plane in data]),
        ),
        "JPEG-XL effort 2, all planes": (
            lambda s, bits: imagecodecs.jpegxl_encode(
                s.reshape(-1, s.shape[-1]), lossless=True, effort=2, numthreads=1
            ),
            lambda data, s, bits: imagecodecs.jpegxl_decode(data, numthreads=1),
        ),
    }


def size_of(data: Any) -> int:
    """Bytes that an arm made."""
    if isinstance(data, list):
        return sum(map(len, data))
    if isinstance(data, np.ndarray):
        return data.nbytes
    return len(data.payload if hasattr(data, "payload") else data)


def entropy_bits(symbols: Symbols) -> float:
    """What a codec would need that knows how often each symbol occurs, and nothing else."""
    counts = np.bincount(symbols.ravel())
    counts = counts[counts > 0]
    return float(-(counts * np.log2(counts / symbols.size)).sum())


def compare(tensors: list[Symbols], bits: int, rounds: int) -> None:
    """Print size and speed of every arm at one precision."""
    elements = sum(s.size for s in tensors)
    megabytes = sum(s.nbytes for s in tensors) / 1e6
    entropy = sum(entropy_bits(s) for s in tensors) / elements
    print(f"\n{bits} bits, {elements:,} elements, zero-order entropy {entropy:.3f} bits")
    print(f"{'':30s} bits/element  of entropy  encode MB/s  decode MB/s  of memcpy")
    pairs = arms()
    sizes: dict[str, int] = {}
    times = {name: np.full((rounds, len(tensors), 2), np.inf) for name in pairs}
    for round_ in range(rounds):
        for name, (encode, decode_) in pairs.items():
            sizes[name] = 0
            for index, symbols in enumerate(tensors):
                started = time.perf_counter()
                data = encode(symbols, bits)
                encoded = time.perf_counter()
                back = decode_(data, symbols, bits)
                decoded = time.perf_counter()
                assert np.array_equal(back.reshape(symbols.shape), symbols)
                times[name][round_, index] = encoded - started, decoded - encoded
                sizes[name] += size_of(data)
    best = {name: found.min(axis=0).sum(axis=0) for name, found in times.items()}
    for name, (encode_s, decode_s) in best.items():
        rate = sizes[name] * 8 / elements
        share = best["memcpy"][0] / encode_s
        print(
            f"{name:30s} {rate:12.3f} {rate / entropy:11.2f}"
            f" {megabytes / encode_s:12.0f} {megabytes / decode_s:12.0f} {share:10.3f}"
        )
    packed = sum(packed_bytes(s.size, bits) for s in tensors)
    print(f"{'(packed without gaps)':30s} {packed * 8 / elements:12.3f}")


def least(action: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Milliseconds of the fastest round, and what it gave."""
    times, result = [], None
    for _ in range(rounds):
        started = time.perf_counter()
        result = action()
        times.append((time.perf_counter() - started) * 1e3)
    return min(times), result


def at_point(
    model: Path, point: str, images: list[Path], folder: Path, bits: int, rounds: int
) -> list[Any]:
    """Print times of head, coding and decoding at one point; returns the tensors of all images."""
    split = Network.load(model).cut(point).write(folder, 1e-3)
    head = split.head(RunOptions(precision="f32"))
    canvas = split.canvas()
    pixels = [canvas.image(read_image(image)) for image in images]
    head_ms, tensors = least(lambda: head.run(pixels[0]), rounds)
    line = f"{point:12s} {sum(t.size for t in tensors):>10,} {head_ms:8.1f}"
    for codec in CODECS:
        link = split.link(LinkOptions(bits, codec, "frame"))
        encode_ms, frame = least(partial(link.encode, 0, tensors), rounds)
        decode_ms, _ = least(partial(link.decode, frame), rounds)
        line += f" | {len(frame):>9,} {encode_ms:7.1f} {decode_ms:7.1f} {encode_ms / head_ms:6.2f}"
    print(line)
    return [np.array(tensor) for image in pixels for tensor in head.run(image)]


def named_points(model: Path) -> list[str]:
    """The split points that the model names, without its input."""
    return [point for point in read_info(load_model(model)).split_points if point != "input"]


def main() -> None:
    """Print one table for each precision, and one of coding against the head for each point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, nargs="?", help="a folder [default: synthetic steel]")
    parser.add_argument("--number", type=int, default=4, help="of images")
    parser.add_argument("--bits", type=int, nargs="+", default=[4, 8, 2])
    parser.add_argument("--points", nargs="+", help="[default: all named ones]")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.images is None:
            write_synthetic(folder / "steel", arguments.number, 256, 1600, seed=0)
        found = list_images(arguments.images or folder / "steel" / "train_images")
        images = found[:: max(len(found) // arguments.number, 1)][: arguments.number]
        points = arguments.points or named_points(arguments.model)
        bits = arguments.bits[0]
        print(f"one frame at {bits} bits: bytes, ms to encode and to decode, encoding of head")
        heads = " | ".join(f"{codec:32s}" for codec in CODECS)
        print(f"{'':12s} {'elements':>10s} {'head ms':>8s} | {heads}")
        tensors = []
        for point in points:
            arrays = at_point(
                arguments.model, point, images, folder / point, bits, arguments.rounds
            )
            tensors += [array for array in arrays if array.dtype.kind == "f"]
    for bits in arguments.bits:
        compare([quantise(t, bits).symbols for t in tensors], bits, arguments.rounds)


if __name__ == "__main__":
    main()
