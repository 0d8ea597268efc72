"""The model of codec `learned`: what both ends know of a latent, and the file that holds it.

A small network of whole numbers for each pass says how likely each decision about a symbol is. It
sees the neighbours that earlier passes gave, each -2 or less, -1, 0, 1, or 2 and more, and the same
of the channels that were coded before at the place itself.
"""

import hashlib
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.latents import NEIGHBOURS, PASSES
from splittool.errors import InputError

# What the network says of a symbol: how likely it is not the usual one, then that it is below, that
# it is further away than 1, and than 2.
UNUSUAL, NEGATIVE, LARGER, FURTHER = range(4)
DECISIONS = 4

LARGE = 3  # tables say how likely a difference of as much is larger yet
LARGEST = 16  # a difference of as much is followed by the rest, bit by bit
REST_BITS = 16  # of that rest
GROUPS = 3  # of channels, unless others are asked for
SMALL = 2  # what is known of a difference ends here

WEIGHT = 256  # weights are in 1/256
HIDDEN = 16  # values of the hidden layer are in 1/16,
MOST_HIDDEN = 255  # and no larger than this

_HEADER = struct.Struct("<4sBBHH")  # magic, version, groups, channels, hidden
_MAGIC, _VERSION = b"SPLM", 2
_MOST_CHANNELS = 1024
_EXACT = 1 << 24  # up to here a float32 holds every whole number

Array = NDArray[Any]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class LatentModel:
    """What both ends know of the symbols of a latent (C, H, W), whatever its H and W.

    Attributes:
        usual: (C,) int16, each channel's most frequent symbol.
        groups: Channels are coded in so many groups, of which the later see the earlier.
        first: (5 passes, hidden, 24 C + 1) int16, from the neighbours to the hidden layer.
        second: (5 passes, 4 decisions, C, hidden + 2 C + 1) int16, to logits.
        any: (5,) uint8, buckets of a place without neighbours: is anything unusual there?
        larger: (C, 13) uint8, buckets of a difference of 3, 4, ..., 15: is it larger?
    """

    usual: NDArray[np.int16]
    groups: int
    first: NDArray[np.int16]
    second: NDArray[np.int16]
    any: NDArray[np.uint8]
    larger: NDArray[np.uint8]

    @property
    def channels(self) -> int:
        """C."""
        return len(self.usual)

    @property
    def hidden(self) -> int:
        """Values of the hidden layer."""
        return int(self.first.shape[1])

    @cached_property
    def channel_groups(self) -> list[slice]:
        """The channels of each group."""
        groups = np.array_split(np.arange(self.channels), self.groups)
        return [slice(int(group[0]), int(group[-1]) + 1) for group in groups]

    @cached_property
    def exact(self) -> tuple[Array, Array]:
        """The weights as floats in which no sum that can occur is rounded, in whatever order."""
        return _exact(self.first, SMALL), _exact(self.second, max(MOST_HIDDEN, SMALL * HIDDEN))

    def features(self, number: int, around: NDArray[np.int8]) -> Array:
        """What the decisions at some places of a pass depend on, before any of their channels.

        Args:
            number: The pass.
            around: (C, 12, places) neighbours, from -2 to 2; (C, 0, places) in the first pass.

        Returns:
            (hidden + 2 C + 1, places): the hidden layer, room for the channels, the unit.
        """
        first, second = self.exact
        places = around.shape[2]
        sums = np.repeat(first[number, :, -1:], places, axis=1)
        if around.shape[1]:
            flat = around.reshape(-1, places)
            sums += first[number, :, :-1] @ np.concatenate([flat, np.abs(flat)]).astype(first.dtype)
        features = np.zeros((second.shape[-1], places), second.dtype)
        sums *= HIDDEN / WEIGHT
        np.clip(sums, 0, MOST_HIDDEN, out=sums)
        np.floor(sums, out=features[: self.hidden], casting="same_kind")
        features[-1] = HIDDEN
        return features

    def add_known(self, features: Array, group: slice, small: Array) -> None:
        """Let later groups see a group that was coded.

        Args:
            features: Of `features`; changed.
            group: The channels.
            small: (channels, places) from -2 to 2.
        """
        signed = features[self.hidden : self.hidden + self.channels]
        signed[group] = HIDDEN * small
        features[self.hidden + self.channels : -1][group] = HIDDEN * np.abs(small)

    def unusual(self, number: int, group: slice, features: Array) -> NDArray[np.uint8]:
        """(channels, places): buckets of whether symbols of a group are unusual.

        See `splittool.codec.rans` for what a bucket is.
        """
        return _buckets(self.exact[1][number, UNUSUAL, group] @ features)

    def further(self, number: int, channels: Indices, features: Array) -> NDArray[np.uint8]:
        """(3, symbols): buckets of the other decisions about symbols that are unusual.

        Args:
            number: The pass.
            channels: (symbols,) channel of each.
            features: (hidden + 2 C + 1, symbols): those of its place.
        """
        weights = self.exact[1][number, NEGATIVE:].take(channels, axis=1)
        return _buckets(np.einsum("dsf,fs->ds", weights, features))

    def to_bytes(self) -> bytes:
        """The model's file."""
        header = _HEADER.pack(_MAGIC, _VERSION, self.groups, self.channels, self.hidden)
        words = [a.astype("<i2").tobytes() for a in (self.usual, self.first, self.second)]
        return header + b"".join(words) + self.any.tobytes() + self.larger.tobytes()

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, in hexadecimal; the cut's id covers it."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def _buckets(scores: Array) -> NDArray[np.uint8]:
    # Buckets are half a logit wide, and the one of 0 is in the middle.
    scores *= 2 / (WEIGHT * HIDDEN)
    scores += rans.EVEN + 0.5
    np.clip(scores, 0, rans.BUCKETS - 1, out=scores)
    return scores.astype(np.uint8)  # rounds down


def _exact(weights: NDArray[np.int16], most: int) -> Array:
    largest = int(np.abs(weights.astype(np.int64)).sum(axis=-1).max(initial=0)) * most
    return weights.astype(np.float32 if largest < _EXACT else np.float64)


def read_model(data: bytes) -> LatentModel:
    """The model in a file that may be anything.

    Raises:
        InputError: It is not such a file, or damaged.
    """
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise InputError("not a model of codec 'learned' (bad magic bytes)")
    _, version, groups, channels, hidden = _HEADER.unpack_from(data)
    if version != _VERSION:
        raise InputError(
            f"the model of codec 'learned' has version {version}, not {_VERSION}; resume the"
            " network's training, which makes it again, then cut again"
        )
    if not 1 <= groups <= channels <= _MOST_CHANNELS:
        raise InputError(f"the model of codec 'learned' has {groups} groups of {channels} channels")
    if not 1 <= hidden <= _MOST_CHANNELS:
        raise InputError(f"the model of codec 'learned' has {hidden} hidden values")
    shapes = _shapes(channels, hidden)
    size = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in shapes)
    if len(data) != _HEADER.size + size:
        raise InputError(
            f"the model of codec 'learned' has {len(data)} bytes, not {_HEADER.size + size}"
        )
    arrays, at = [], _HEADER.size
    for kind, shape in shapes:
        found = np.frombuffer(data, kind, int(np.prod(shape)), at).reshape(shape)
        at += found.nbytes
        arrays.append(found.astype(kind[1:]))
    for name, table in zip(("any", "larger"), arrays[3:], strict=True):
        if table.max() >= rans.BUCKETS:
            raise InputError(f"the model of codec 'learned' has a damaged table {name!r}")
    usual, first, second, any_, larger = arrays
    return LatentModel(usual, groups, first, second, any_, larger)


def _shapes(channels: int, hidden: int) -> list[tuple[str, tuple[int, ...]]]:
    passes = len(PASSES)
    return [
        ("<i2", (channels,)),
        ("<i2", (passes, hidden, 2 * NEIGHBOURS * channels + 1)),
        ("<i2", (passes, DECISIONS, channels, hidden + 2 * channels + 1)),
        ("<u1", (passes,)),
        ("<u1", (channels, LARGEST - LARGE)),
    ]
