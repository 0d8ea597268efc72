"""What changed since the frame before, symbol by symbol.

Differences wrap around, so they need no more bits than the symbols, and no change is the middle
symbol, with small changes up and down beside it: image codecs like that better than a jump from
the first symbol to the last.
"""

from dataclasses import dataclass, field

from splittool.codec.bitpack import Symbols


@dataclass
class History:
    """What one end of a link keeps of the last frame; empty before the first and when cleared.

    Attributes:
        checksum: The checksum of that frame.
        symbols: The symbols of each of its tensors, with their bits.
    """

    checksum: int | None = None
    symbols: list[tuple[Symbols, int]] = field(default_factory=list)

    def before(self, index: int, bits: int) -> Symbols | None:
        """The symbols of a tensor in the last frame, if there was one and of as many bits."""
        if self.checksum is None or self.symbols[index][1] != bits:
            return None
        return self.symbols[index][0]

    def ends_with(self, reference: int) -> bool:
        """Whether the last frame has this checksum, of which short frames name 24 bits."""
        return self.checksum is not None and reference in (self.checksum, self.checksum & 0xFFFFFF)

    def keep(self, checksum: int, symbols: list[tuple[Symbols, int]]) -> None:
        """Make this frame the last one."""
        self.checksum, self.symbols = checksum, symbols

    def clear(self) -> None:
        """Forget it, so that the next frame stands alone."""
        self.checksum, self.symbols = None, []


def changes(symbols: Symbols, before: Symbols, bits: int) -> Symbols:
    """What to add to the symbols before, plus half of their number, modulo their number.

    Args:
        symbols: From 0 to 2^bits - 1.
        before: Symbols of the same shape and bits.
        bits: Bits of each symbol.
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
