"""The model of codec `learned`: what both ends know of a latent, and the file that holds it."""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.latents import PASSES
from splittool.errors import InputError

LEVELS = 32  # of the score
SIGNS, SIZES = 3, 7  # what the near neighbours are like
LARGEST = 16  # a difference of as much is followed by the rest, bit by bit
REST_BITS = 16  # of that rest
SMALL = 2  # a difference counts for no more in the score

_HEADER = struct.Struct("<4sBBHH")  # magic, version, groups, channels, 0
_MAGIC, _VERSION = b"SPLM", 1
_MOST_CHANNELS = 1024


@dataclass(frozen=True)
class LatentModel:
    """What both ends know of the symbols of a latent (C, H, W), whatever its H and W.

    Attributes:
        usual: (C,) int16, each channel's most frequent symbol.
        groups: Channels are coded in so many groups, of which the later see the earlier.
        weights: (5 passes, C, 3 C + 2) int16, of what is around a symbol, in 1/256 of a logit.
        tables: Buckets of probabilities (see `splittool.codec.rans`): `any` (5,), `unusual`
            (5, C, 32), `negative` (C, 3), `larger` (C, 15, 7) and `even` (1,).
    """

    usual: NDArray[np.int16]
    groups: int
    weights: NDArray[np.int16]
    tables: Mapping[str, NDArray[np.uint8]]

    @property
    def channels(self) -> int:
        """C."""
        return len(self.usual)

    @cached_property
    def exact_weights(self) -> NDArray[Any]:
        """The weights as floats in which no sum that can occur is rounded, in whatever order."""
        largest = np.abs(self.weights.astype(np.int64)).sum(axis=2).max() * 8 * SMALL
        return self.weights.astype(np.float32 if largest < 2**24 else np.float64)

    def to_bytes(self) -> bytes:
        """The model's file."""
        header = _HEADER.pack(_MAGIC, _VERSION, self.groups, self.channels, 0)
        arrays = [self.usual.astype("<i2"), self.weights.astype("<i2")]
        arrays += [self.tables[kind] for kind in _table_shapes(self.channels)]
        return header + b"".join(array.tobytes() for array in arrays)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, in hexadecimal; the cut's id covers it."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def read_model(data: bytes) -> LatentModel:
    """The model in a file that may be anything.

    Raises:
        InputError: It is not such a file, or damaged.
    """
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise InputError("not a model of codec 'learned' (bad magic bytes)")
    _, version, groups, channels, zero = _HEADER.unpack_from(data)
    if version != _VERSION or zero:
        raise InputError(f"the model of codec 'learned' has version {version}, not {_VERSION}")
    if not 1 <= groups <= channels <= _MOST_CHANNELS:
        raise InputError(f"the model of codec 'learned' has {groups} groups of {channels} channels")
    shapes = _table_shapes(channels)
    weights = (len(PASSES), channels, 3 * channels + 2)
    size = 2 * channels + 2 * int(np.prod(weights)) + sum(int(np.prod(s)) for s in shapes.values())
    if len(data) != _HEADER.size + size:
        raise InputError(
            f"the model of codec 'learned' has {len(data)} bytes, not {_HEADER.size + size}"
        )
    at = _HEADER.size
    usual = np.frombuffer(data, "<i2", channels, at).astype(np.int16)
    at += 2 * channels
    found = np.frombuffer(data, "<i2", int(np.prod(weights)), at).astype(np.int16)
    at += 2 * found.size
    tables = {}
    for kind, shape in shapes.items():
        tables[kind] = np.frombuffer(data, np.uint8, int(np.prod(shape)), at).reshape(shape)
        at += tables[kind].size
        if tables[kind].max() >= rans.BUCKETS:
            raise InputError(f"the model of codec 'learned' has a damaged table {kind!r}")
    return LatentModel(usual, groups, found.reshape(weights), with_even(tables))


def with_even(tables: Mapping[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
    """The tables and that of flags that are as often set as not."""
    return {**tables, "even": np.array([rans.EVEN], np.uint8)}


def _table_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    return {
        "any": (len(PASSES),),
        "unusual": (len(PASSES), channels, LEVELS),
        "negative": (channels, SIGNS),
        "larger": (channels, LARGEST - 1, SIZES),
    }
