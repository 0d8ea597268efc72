"""Fuzz the frame decoder.

    python benchmarks/fuzz_frame.py --minutes 10

Good frames of every codec and precision, long or short, alone or predicted from one before, are
damaged at random, most of them with the checksum made right again so that the damage reaches the
codecs. Every outcome but tensors of the right shapes or a FrameError is a crash: its frame is
written to --crashes and the run goes on.
"""

import argparse
import random
import resource
import struct
import time
import traceback
import zlib
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np

from splittool.codec.frame import decode_frame, encode_frame
from splittool.codec.payload import CODECS
from splittool.codec.quantiser import ranges_between
from splittool.codec.symbols import History
from splittool.codec.tensors import Sending, TensorSpec
from splittool.errors import FrameError
from splittool.training.latent_fit import fit

CUT_ID = bytes(range(16))
HEADER, REFERENCE, ENTRY, CHECKSUM = 32, 4, 8, 4
VERSION_AT = 4
SHORT, SHORT_CHECKSUM = 0xE0, 3
INTERESTING = [0, 1, 2, 3, 4, 8, 16, 127, 128, 255]


def build_cut() -> tuple[list[TensorSpec], list[np.ndarray]]:
    """Tensors of several kinds; the largest is large enough for the codecs to work on."""
    noise = np.random.default_rng(0)
    latents = np.rint(noise.standard_t(3, (40, 4, 18, 25)) / 2).astype(np.int16)
    specs = [
        TensorSpec(
            "latent",
            (1, 4, 18, 25),
            ranges={8: ranges_between([-128], [127], 8)},
            model=fit(latents + 128),
        ),
        TensorSpec(
            "skip",
            (1, 8, 28, 40),
            ranges={bits: ranges_between([0], [1], bits) for bits in (1, 4, 8, 12)},
        ),
        TensorSpec("pooled", (1, 5, 3, 7)),
        TensorSpec("pixels", (1, 3, 20, 24), np.dtype(np.uint8)),
        TensorSpec("mask", (1, 9), np.dtype(np.bool_)),
        TensorSpec("indices", (1, 6), np.dtype(np.int64)),
        TensorSpec("nothing", (1, 0)),
    ]
    tensors = [latents[:1].astype(np.float32)]
    for spec in specs[1:]:
        numbers = np.arange(int(np.prod(spec.shape))).reshape(spec.shape)
        wave = np.maximum(np.sin(numbers / 17) + noise.normal(0, 0.05, spec.shape), 0)
        tensors.append((wave if spec.is_quantised else wave * 99).astype(spec.dtype))
    return specs, tensors


def seed_frames(specs: list[TensorSpec], tensors: list[np.ndarray]) -> list[tuple[bytes, History]]:
    """Good frames for each codec, precision and kind of ranges, each with the frame before it."""
    frames = []
    later = [np.roll(tensor, 1, axis=-1) for tensor in tensors]
    kinds = product(CODECS, (1, 2, 3, 4, 6, 8, 12, 16), (False, True), (False, True))
    for codec, bits, calibrated, is_short in kinds:
        sendings = [Sending(bits, codec, calibrated and bits in s.ranges) for s in specs]
        history = History()
        first = encode_frame(CUT_ID, 1, specs, tensors, sendings, history, is_short)
        past = History(history.checksum, history.symbols)
        second = encode_frame(CUT_ID, 2, specs, later, sendings, history, is_short)
        frames += [(first, History()), (second, past)]
        # Most of a short frame is a latent, as on a link that it is made for.
        sendings[0] = Sending(8, "learned", calibrated=True)
        frames += [(encode_frame(CUT_ID, bits, specs, tensors, sendings), History())]
    return frames


def damage(frame: bytes, other: bytes, chance: random.Random, tensors: int) -> bytes:
    """A frame with one to eight things changed."""
    if frame[0] & 0xFC == SHORT:
        return _damage_short(frame, other, chance)
    body = bytearray(frame[:-CHECKSUM])
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        _change(body, other, chance, tensors)
    if chance.random() < 0.05:
        return bytes(body) + frame[-CHECKSUM:]
    return bytes(body) + struct.pack("<I", zlib.crc32(body))


def _damage_short(frame: bytes, other: bytes, chance: random.Random) -> bytes:
    """As `damage`, of a short frame: half of the changes are in its first bytes."""
    body = bytearray(frame[:-SHORT_CHECKSUM])
    for _ in range(chance.choice([1, 1, 2, 4, 8])):
        at = chance.randrange(len(body) if chance.random() < 0.5 else min(len(body), 40))
        kind = chance.randrange(4)
        if kind == 0:
            body[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            body[at] = chance.choice(INTERESTING)
        elif kind == 2:
            start = chance.randrange(len(other))
            piece = other[start : start + chance.randrange(64)]
            body[at : at + len(piece)] = piece
        elif chance.random() < 0.5:
            body[at:at] = chance.randbytes(chance.choice([1, 2, 9]))
        else:
            del body[at : at + chance.choice([1, 2, 9])]
        if len(body) < 2:
            break
    if chance.random() < 0.05:
        return bytes(body) + frame[-SHORT_CHECKSUM:]
    checksum = zlib.crc32(CUT_ID + body) & 0xFFFFFF
    return bytes(body) + checksum.to_bytes(SHORT_CHECKSUM, "little")


def _change(body: bytearray, other: bytes, chance: random.Random, tensors: int) -> None:
    table_end = _table(body) + ENTRY * tensors
    if len(body) <= table_end:
        return
    at = chance.randrange(len(body))
    entry = _table(body) + ENTRY * chance.randrange(tensors)
    kind = chance.randrange(7)
    if kind == 0:
        body[at] ^= 1 << chance.randrange(8)
    elif kind == 1:
        body[at] = chance.choice(INTERESTING)
    elif kind == 2:  # the table: types, formats, bits, flags
        body[entry + chance.randrange(4)] = chance.choice(INTERESTING)
    elif kind == 3:
        _resize(body, entry, chance, table_end)
    elif kind == 4:  # a piece of another frame
        start = chance.randrange(len(other))
        piece = other[start : start + chance.randrange(64)]
        body[at : at + len(piece)] = piece
    elif kind == 5:  # the beginning of a payload, where zstd and JPEG-LS keep their headers
        offset = _payload_offset(body, entry, table_end) + chance.randrange(120)
        body[min(offset, len(body) - 1)] = chance.randrange(256)
    elif chance.random() < 0.2:
        del body[at:]


def _resize(body: bytearray, entry: int, chance: random.Random, table_end: int) -> None:
    """Another length for a payload, and as many bytes."""
    length = struct.unpack_from("<I", body, entry + 4)[0]
    end = _payload_offset(body, entry, table_end) + length
    change = chance.choice([-64, -9, -1, 1, 9, 64])
    if length + change < 0 or end > len(body):
        return
    struct.pack_into("<I", body, entry + 4, length + change)
    if change < 0:
        del body[end + change : end]
    else:
        body[end:end] = chance.randbytes(change)


def _table(body: bytearray) -> int:
    return HEADER + (REFERENCE if body[VERSION_AT : VERSION_AT + 1] == b"\2" else 0)


def _payload_offset(body: bytearray, entry: int, table_end: int) -> int:
    before = range(_table(body) + 4, entry, ENTRY)
    return table_end + sum(int(struct.unpack_from("<I", body, at)[0]) for at in before)


def check(frame: bytes, specs: list[TensorSpec], past: History) -> str:
    """Whether a frame was `read` or `refused`; anything else is raised."""
    try:
        found = decode_frame(frame, CUT_ID, specs, History(past.checksum, past.symbols))
    except FrameError as error:
        if "\n" in str(error) or len(str(error)) > 400:
            raise ValueError(f"not one short line: {error}") from error
        return "refused"
    for spec, tensor in zip(specs, found.tensors, strict=True):
        assert (tensor.shape, tensor.dtype) == (spec.shape, spec.dtype)
        assert not spec.is_quantised or np.isfinite(tensor).all()
    return "read"


def main() -> None:
    """Run for the time asked for, then print one line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--crashes", type=Path, default=Path("crashes"))
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    specs, tensors = build_cut()
    frames = seed_frames(specs, tensors)
    for frame, past in frames:
        assert check(frame, specs, past) == "read"
    short = sum(frame[0] & 0xFC == SHORT for frame, _ in frames)
    predicted = sum(
        bool(frame[0] & 2) if frame[0] & 0xFC == SHORT else frame[VERSION_AT] == 2
        for frame, _ in frames
    )
    assert 0 < predicted < len(frames) / 2 < short < len(frames)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + arguments.minutes * 60
    while time.monotonic() < end:
        (good, past), (other, _) = chance.choice(frames), chance.choice(frames)
        frame = damage(good, other, chance, len(specs))
        started = time.process_time()
        try:
            outcome = check(frame, specs, past)
        except Exception:
            outcome = "crashes"
            arguments.crashes.mkdir(exist_ok=True)
            (arguments.crashes / f"{zlib.crc32(frame):08x}.bin").write_bytes(frame)
            traceback.print_exc()
        slowest = max(slowest, time.process_time() - started)
        outcomes[outcome] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"executions {sum(outcomes.values()):,}")
    print(f"refused {outcomes['refused']:,}, read {outcomes['read']:,}")
    print(f"crashes {outcomes['crashes']}")
    print(f"slowest {slowest * 1e3:.1f} ms of processor time")
    print(f"peak memory {peak / 1024:.1f} MiB, {before / 1024:.1f} before the first damaged frame")


if __name__ == "__main__":
    main()
