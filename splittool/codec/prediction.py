"""What changed since the frame before, symbol by symbol.

Differences wrap around, so they need no more bits than the symbols, and no change is the middle
symbol, with small changes up and down beside it: image coders like that better than a jump from
the first symbol to the last.
"""

from splittool.codec.packing import Symbols


def changes(symbols: Symbols, before: Symbols, bits: int) -> Symbols:
    """What to add to the symbols before, plus half of their number, modulo their number.

    Args:
        symbols: From 0 to 2^bits - 1.
        before: Of the same shape and bits.
        bits: Of each.
    """
    half = symbols.dtype.type(2 ** (bits - 1))
    return _wrapped(symbols - before + half, bits)


def restore(changed: Symbols, before: Symbols, bits: int) -> Symbols:
    """The symbols that `changes` was given."""
    half = changed.dtype.type(2 ** (bits - 1))
    return _wrapped(changed + before - half, bits)


def _wrapped(numbers: Symbols, bits: int) -> Symbols:
    wrapped: Symbols = numbers & numbers.dtype.type(2**bits - 1)
    return wrapped
