"""Codec `learned`: small whole numbers to very few bytes, by a model of their neighbours.

Each symbol is a few yes-or-no decisions: is it another than its channel's usual one, is it below,
is it further away. What is likely is looked up in tables, by a score of the neighbours that were
coded before; `splittool.codec.latent_fit` makes the model. Every number that decides is whole, or a
float that holds a whole number too small to be rounded, so that two machines never disagree.

docs/frame-format.md has the model's file and the payload step by step.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.bitpack import Symbols, symbol_type
from splittool.codec.latents import BORDER, PASSES, Pass, around, places_of, taken
from splittool.codec.payload import PayloadError
from splittool.errors import InputError

Ints = NDArray[np.int32]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]

LEVELS = 32  # of the score
SIGNS, SIZES = 3, 7  # what the near neighbours are like
LARGEST = 16  # a difference of as much is followed by the rest, bit by bit
_LARGE_BITS = 16  # of that rest
_SMALL = 2  # a difference counts for no more in the score

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
        largest = np.abs(self.weights.astype(np.int64)).sum(axis=2).max() * 8 * _SMALL
        return self.weights.astype(np.float32 if largest < 2**24 else np.float64)

    def to_bytes(self) -> bytes:
        """The model's file."""
        header = _HEADER.pack(_MAGIC, _VERSION, self.groups, self.channels, 0)
        arrays = [self.usual.astype("<i2"), self.weights.astype("<i2")]
        arrays += [self.tables[kind] for kind in _table_shapes(self.channels)]
        return header + b"".join(array.tobytes() for array in arrays)

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal; it is part of the cut's id."""
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


def encode(model: LatentModel, symbols: NDArray[np.integer]) -> bytes:
    """The payload of a latent.

    Args:
        model: What both ends know.
        symbols: (C, H, W) or (1, C, H, W) whole numbers from -32768 to 65535.

    Raises:
        InputError: The latent has another shape, or differs too much from the usual symbols.
    """
    differences = _differences(model, symbols)
    encoder = rans.Encoder()

    def write(kind: str, contexts: Indices, flags: Flags) -> Flags:
        return encoder.flags(flags, model.tables[kind].reshape(-1)[contexts])

    Walk(model, write).run(differences)
    return encoder.bytes()


def decode(model: LatentModel, payload: bytes, shape: tuple[int, ...]) -> Ints:
    """The symbols of a payload that may be anything; time and memory depend on the shape alone.

    Args:
        model: What both ends know.
        payload: The bytes.
        shape: (C, H, W) or (1, C, H, W).

    Raises:
        PayloadError: The payload is damaged or of another latent or model.
    """
    decoder = rans.Decoder(payload)

    def read(kind: str, contexts: Indices, flags: Flags) -> Flags:
        return decoder.flags(model.tables[kind].reshape(-1)[contexts])

    if len(shape) < 3 or shape[-3] != model.channels or int(np.prod(shape[:-3])) != 1:
        raise PayloadError(f"coded with a model of {model.channels} channels, not of {shape}")
    found = Walk(model, read).run(np.zeros(shape[-3:], np.int32))
    if not decoder.is_at_end:
        raise PayloadError("coded symbols that do not end where they should")
    return (found + model.usual[:, None, None]).reshape(shape)


def decode_symbols(
    model: LatentModel, payload: bytes, shape: tuple[int, ...], bits: int
) -> Symbols:
    """As `decode`, of symbols from 0 to 2^bits - 1.

    Raises:
        PayloadError: As `decode`, or a symbol is out of range.
    """
    found = decode(model, payload, shape)
    if found.size and not 0 <= found.min() <= found.max() < 2**bits:
        raise PayloadError(f"coded symbols that {bits} bits do not hold")
    return found.astype(symbol_type(bits))


def ideal_bits(model: LatentModel, symbols: NDArray[np.integer]) -> float:
    """What the model's probabilities make of a latent: -log2 of their product.

    Raises:
        InputError: As `encode`.
    """
    found: list[float] = []
    rare = np.array(rans.PROBABILITIES) / 65536
    set_ = np.concatenate([rare, 1 - rare[-2::-1]])

    def price(kind: str, contexts: Indices, flags: Flags) -> Flags:
        likely = set_[model.tables[kind].reshape(-1)[contexts]]
        found.append(-float(np.log2(np.where(flags, likely, 1 - likely)).sum()))
        return flags

    Walk(model, price).run(_differences(model, symbols))
    return sum(found)


def _differences(model: LatentModel, symbols: NDArray[np.integer]) -> Ints:
    shape = symbols.shape
    if len(shape) < 3 or shape[-3] != model.channels or int(np.prod(shape[:-3])) != 1:
        raise InputError(
            f"the latent has shape {shape}, and the model is of {model.channels} channels"
        )
    found = symbols.reshape(shape[-3:]).astype(np.int32) - model.usual[:, None, None]
    if found.size and np.abs(found).max() > LARGEST + 2 ** (_LARGE_BITS + 1) - 2:
        raise InputError(f"the latent has a symbol {np.abs(found).max()} from the usual one")
    return found


class Coding(Protocol):
    """What is done with the decisions: they are written, read, counted or priced."""

    def __call__(self, kind: str, contexts: Indices, flags: Flags) -> Flags:
        """Take or give some flags.

        Args:
            kind: The table: `any`, `unusual`, `negative`, `larger` or `even`.
            contexts: Of each flag its place in the table.
            flags: The flags to write; who reads does not look at them.

        Returns:
            The flags, as written or read.
        """


class Walk:
    """One way through a latent, the same for who writes and who reads.

    Args:
        model: What both ends know.
        code: What is done with each decision.
    """

    def __init__(self, model: LatentModel, code: Coding) -> None:
        self._model = model
        self._code = code
        groups = np.array_split(np.arange(model.channels), model.groups)
        self._groups = [slice(int(group[0]), int(group[-1]) + 1) for group in groups]

    def run(self, differences: Ints) -> Ints:
        """Go through all symbols.

        Args:
            differences: (C, H, W) symbols less the usual ones; who reads gives zeros.

        Returns:
            The differences, as written or read.
        """
        channels, height, width = differences.shape
        self._pitch = width + 2 * BORDER
        plane = (height + 2 * BORDER) * self._pitch
        self._found = np.zeros((channels, plane), np.int32)
        self._small = np.zeros((channels, plane), np.uint8)
        for number, each in enumerate(PASSES):
            places = places_of(each, height, width)
            if len(places):
                self._pass(number, places, taken(differences, each))
        found = self._found.reshape(channels, -1, self._pitch)
        return found[:, BORDER : BORDER + height, BORDER : BORDER + width]

    def _pass(self, number: int, places: Indices, truth: Ints) -> None:
        each, model = PASSES[number], self._model
        small = self._small.reshape(model.channels, -1, self._pitch)
        near, far = neighbours(small, each, len(places))
        # Where nothing is around, a whole place is asked for first: there are many of these.
        quiet = np.flatnonzero(~(near | far).any(axis=0))
        used = np.ones(len(places), bool)
        some: Flags = np.any(truth[:, quiet], axis=0)
        used[quiet] = self._code("any", np.full(len(quiet), number), some)
        which = np.flatnonzero(used)
        features = features_of(near[:, which], far[:, which], model.exact_weights.dtype)
        self._unusual(number, features, places[which], truth[:, which])

    def _unusual(
        self, number: int, features: NDArray[np.floating], places: Indices, truth: Ints
    ) -> None:
        """Code the symbols of all channels at some places of a pass."""
        channels = self._model.channels
        unusual = np.empty(truth.shape, bool)
        for group in self._groups:
            levels = level_of(self._model.exact_weights[number, group] @ features)
            rows = number * channels + np.arange(channels)[group, None]
            flags = self._code(
                "unusual", (rows * LEVELS + levels).reshape(-1), (truth[group] != 0).reshape(-1)
            )
            unusual[group] = flags.reshape(levels.shape)
            features[2 * channels + group.start : 2 * channels + group.stop] = unusual[group]
        which = np.flatnonzero(unusual)
        channel, place = which // max(len(places), 1), places[which % max(len(places), 1)]
        values = self._values(channel, place, PASSES[number], truth.reshape(-1)[which])
        self._found[channel, place] = values
        self._small[channel, place] = np.minimum(np.abs(values), _SMALL)

    def _values(self, channel: Indices, place: Indices, each: Pass, given: Ints) -> Ints:
        """The differences that are not 0, of one pass."""
        signs, sizes = self._near(channel, place, each)
        negative = self._code("negative", channel * SIGNS + signs, given < 0)
        size = self._sizes(channel * (LARGEST - 1) * SIZES + sizes, np.abs(given))
        return np.where(negative, -size, size)

    def _near(self, channel: Indices, place: Indices, each: Pass) -> tuple[Indices, Indices]:
        """What the near neighbours in the same channel are mostly like: their sign, their size."""
        if not each.stride:
            return np.ones(len(channel), np.intp), np.zeros(len(channel), np.intp)
        up, left = each.stride * self._pitch, each.stride
        first, second = (up + left, up - left) if each.diagonal else (up, left)
        offsets = (first, second, -first, -second)
        near = np.stack([self._found[channel, place + by] for by in offsets])
        total = np.minimum(np.abs(near), LARGEST - 1).sum(axis=0)
        sizes = np.searchsorted([1, 2, 4, 8, 16, 32], total, side="right")
        return np.sign(np.sign(near).sum(axis=0)).astype(np.intp) + 1, sizes

    def _sizes(self, contexts: Indices, given: Ints) -> Ints:
        """Of what is unusual: how far from the usual symbol, 1 or more."""
        size = np.ones(len(given), np.int32)
        open_ = np.arange(len(given))
        for least in range(1, LARGEST):
            if not len(open_):
                return size
            step = contexts[open_] + (least - 1) * SIZES
            open_ = open_[self._code("larger", step, given[open_] > least)]
            size[open_] += 1
        size[open_] += self._rest(given[open_] - LARGEST)
        return size

    def _rest(self, given: Ints) -> Ints:
        """Whole numbers from 0 in Exp-Golomb code: how many bits one more has, then these."""
        lengths = np.zeros(len(given), np.int32)
        open_ = np.arange(len(given))
        for length in range(_LARGE_BITS):
            if len(open_):
                open_ = open_[self._even(given[open_] + 1 >= 2 << length)]
                lengths[open_] += 1
        found = np.ones(len(given), np.int32)
        for bit in range(int(lengths.max(initial=0)) - 1, -1, -1):
            which = np.flatnonzero(lengths > bit)
            found[which] = found[which] * 2 + self._even((given[which] + 1 >> bit) % 2 == 1)
        return found - 1

    def _even(self, flags: Flags) -> Flags:
        return self._code("even", np.zeros(len(flags), np.intp), flags)


def neighbours(
    small: NDArray[np.uint8], each: Pass, places: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(C, places) and (C, places): sums of the near and of the far neighbours."""
    if not each.stride:
        none = np.zeros((len(small), places), np.uint8)
        return none, none
    near, far = around(small, each)
    return taken(near, each), taken(far, each)


def features_of(
    near: NDArray[np.uint8], far: NDArray[np.uint8], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """(3 C + 2, places): near and far neighbours, room for the same place, is it quiet, 1."""
    channels, places = near.shape
    features = np.zeros((3 * channels + 2, places), dtype)
    features[:channels] = near
    features[channels : 2 * channels] = far
    features[-2] = ~(near | far).any(axis=0)
    features[-1] = 1
    return features


def level_of(scores: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Levels, 0 to 31, of scores in 1/256 of a logit: each is half a logit wide."""
    scaled = np.add(scores, 2048, out=scores)
    scaled *= 1 / 128  # a power of two, so that nothing is rounded
    found: NDArray[np.uint8] = np.clip(scaled, 0, LEVELS - 1, out=scaled).astype(np.uint8)
    return found
