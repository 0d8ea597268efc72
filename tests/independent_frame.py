"""A decoder of frames written from docs/frame-format.md alone; it does not use splittool.

A cut is a list of dictionaries with `shape`, `dtype` (a numpy name; float32 is quantised), and
maybe `ranges` {bits: (low, step)} and `model`, the bytes of a model of codec learned.
"""

import math
import struct
import zlib
from typing import Any

import numpy as np
import zstandard
from independent_learned import decode_learned

TYPES = {n: k for k, n in enumerate(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "b1"], 1)}
SHORT_FLAGS = [0, 1, 3, 4]


def decode(
    frame: bytes, cut_id: bytes, cut: list[dict], before: Any = None
) -> tuple[int, list, Any]:
    """The frame id, the tensors, and what to give as `before` for the next frame."""
    read = long_form if frame[:4] == b"SPLF" else short_form
    frame_id, reference, checksum, entries, payloads = read(frame, cut_id, cut)
    if reference is not None:
        assert before is not None
        mask = 0xFFFFFFFF if read is long_form else 0xFFFFFF
        assert before[0] & mask == reference
    tensors, symbols = [], []
    for k, (spec, (form, bits, flags), data) in enumerate(zip(cut, entries, payloads, strict=True)):
        real, shape = spec["dtype"] == "float32", tuple(spec["shape"])
        size = np.dtype(spec["dtype"]).itemsize
        channels = shape[1] if len(shape) > 1 else 1
        if real and flags & 1:
            count = 1 if flags & 2 else channels
            numbers = np.frombuffer(data[: 8 * count], "<f4")
            low, step, data = numbers[:count], numbers[count:], data[8 * count :]
        elif real:
            low, step = (np.asarray(each, np.float32) for each in spec["ranges"][bits])
        coded = shape if real or size == 1 else (*shape, size)
        found = symbols_of(form, bytes(data), coded, bits, spec)
        if flags == 4:
            found = (found + before[1][k] - 2 ** (bits - 1)) % 2**bits
        symbols.append(found)
        if not real:
            raw = found.astype(np.uint8).tobytes()
            tensors.append(
                np.frombuffer(raw, np.dtype(spec["dtype"]).newbyteorder("<")).reshape(shape)
            )
            continue
        ends = (channels, -1) if found.size else (channels, 0)
        product = found.reshape(ends).astype(np.float32) * step.reshape(-1, 1)
        tensors.append((product + low.reshape(-1, 1)).reshape(shape))
    return frame_id, tensors, (checksum, symbols)


def long_form(frame: bytes, cut_id: bytes, cut: list[dict]) -> tuple:
    _, version, zero, count, sender, frame_id = struct.unpack_from("<4sBBH16sQ", frame)
    (checksum,) = struct.unpack("<I", frame[-4:])
    assert (version in (1, 2), zero, count, sender) == (True, 0, len(cut), cut_id)
    assert checksum == zlib.crc32(frame[:-4])
    reference = struct.unpack_from("<I", frame, 32)[0] if version == 2 else None
    at = 32 if version == 1 else 36
    table = [struct.unpack_from("<BBBBI", frame, at + 8 * k) for k in range(count)]
    at += 8 * count
    payloads = []
    for (kind, _, _, _, length), spec in zip(table, cut, strict=True):
        name = np.dtype(spec["dtype"]).str[1:]
        assert kind == (0 if spec["dtype"] == "float32" else TYPES[name])
        payloads.append(frame[at : at + length])
        at += length
    assert at == len(frame) - 4
    return frame_id, reference, checksum, [entry[1:4] for entry in table], payloads


def short_form(frame: bytes, cut_id: bytes, cut: list[dict]) -> tuple:
    assert (frame[0] & 0xFC, frame[1]) == (0xE0, cut_id[0])
    checksum = int.from_bytes(frame[-3:], "little")
    assert zlib.crc32(cut_id + frame[:-3]) & 0xFFFFFF == checksum
    rest = iter(frame[2:-3])
    frame_id = number(rest) if frame[0] & 1 else 0
    reference = (
        int.from_bytes(bytes(next(rest) for _ in range(3)), "little") if frame[0] & 2 else None
    )
    entries, lengths = [], []
    for k in range(len(cut)):
        byte = next(rest)
        entries.append((byte >> 6, (byte & 15) + 1, SHORT_FLAGS[byte >> 4 & 3]))
        lengths += [number(rest)] if k < len(cut) - 1 else []
    body = bytes(rest)
    ends = np.cumsum([0, *lengths]).tolist()
    payloads = [body[a:b] for a, b in zip(ends, [*ends[1:], len(body)], strict=True)]
    return frame_id, reference, checksum, entries, payloads


def number(rest: Any) -> int:
    byte = next(rest)
    return byte if byte < 128 else byte - 128 + (number(rest) << 7)


def symbols_of(form: int, data: bytes, shape: tuple, bits: int, spec: dict) -> np.ndarray:
    if form == 3:
        return np.array(decode_learned(spec["model"], data, shape), np.int64)
    if form == 2:
        import imagecodecs

        rows, columns = math.prod(shape[:-1]), shape[-1] if shape else 1
        image = np.asarray(imagecodecs.jpegls_decode(data))
        assert image.shape == (rows, columns)
        assert image.max() < 2**bits
        return image.astype(np.int64).reshape(shape)
    if form == 1:
        data = zstandard.ZstdDecompressor().decompress(data)
    return unpacked(data, math.prod(shape), bits).reshape(shape)


def unpacked(data: bytes, count: int, bits: int) -> np.ndarray:
    found, at, left = np.zeros(count, np.int64), 0, bits
    for width in (8, 8, 4, 2, 1):
        if width > left:
            continue
        left -= width
        size = -(-count * width // 8)
        for k in range(size * 8 // width):
            value = data[at + k % size] >> (k // size * width) & (2**width - 1)
            if k < count:
                found[k] |= value << left
            else:
                assert value == 0
        at += size
    assert at == len(data)
    return found
