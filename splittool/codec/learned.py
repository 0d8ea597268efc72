"""Codec `learned`: small whole numbers to very few bytes, by a model of their neighbours.

Training makes the model, `latent_model` reads and writes its file, and `latent_walk` says which
decisions make up a latent; here they are coded. docs/frame-format.md has the model's file and the
payload step by step.
"""

import numpy as np
from numpy.typing import NDArray

from splittool.codec import rans
from splittool.codec.latent_model import LARGEST, REST_BITS, LatentModel
from splittool.codec.latent_walk import Buckets, Flags, Ints, Walk
from splittool.codec.payload import PayloadError
from splittool.codec.rans_encoder import Encoder
from splittool.codec.symbols import Symbols, symbol_type
from splittool.errors import InputError


def encode(model: LatentModel, symbols: NDArray[np.integer]) -> bytes:
    """The payload of a latent.

    Args:
        model: What both ends know.
        symbols: (C, H, W) or (1, C, H, W) whole numbers from -32768 to 65535.

    Raises:
        InputError: The latent has another shape, or differs too much from the usual symbols.
    """
    differences = _differences(model, symbols)
    encoder = Encoder()
    Walk(model, encoder.flags).run(differences)
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

    def read(flags: Flags, buckets: Buckets) -> Flags:
        return decoder.flags(buckets)

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

    def price(flags: Flags, buckets: Buckets) -> Flags:
        likely = set_[buckets]
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
    furthest = max(-found.min(), found.max()) if found.size else 0
    if furthest > LARGEST + 2 ** (REST_BITS + 1) - 2:
        raise InputError(f"the latent has a symbol {furthest} from the usual one")
    return found
