"""Which precisions and coders there are; without numpy, so that a command can refuse early."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from splittool.errors import UsageError

MIN_BITS, MAX_BITS = 1, 16
DEFAULT_BITS = 16


class BitChoice(NamedTuple):
    """What `--bits` says: of the tensors named, and of the others."""

    others: int
    named: dict[str, int]

    def of(self, names: Sequence[str]) -> dict[str, int]:
        """Bits of each crossing tensor.

        Raises:
            UsageError: A name is of none of them.
        """
        for name in self.named:
            if name not in names:
                close = get_close_matches(name, names, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
                raise UsageError(f"--bits names {name!r}, which does not cross the cut; {hint}")
        return {name: self.named.get(name, self.others) for name in names}


def check_bits(bits: int) -> int:
    """Refuse precisions that make no sense.

    Raises:
        UsageError: Not from 1 to 16.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"--bits {bits} is out of range; give {MIN_BITS} to {MAX_BITS}")
    return bits


def parse_bits(text: str | None) -> BitChoice:
    """Read `4`, `maxpool_2=4,encoder_1.relu_2=2`, or `8,maxpool_2=4`.

    Args:
        text: What was given; None is 16 bits, as is what names some tensors only for the others.

    Raises:
        UsageError: It is none of these, or bits are out of range.
    """
    others, named = None, {}
    for part in [] if text is None else text.split(","):
        name, equals, number = part.strip().rpartition("=")
        bits = check_bits(_whole(number, text))
        if equals and name not in named:
            named[name] = bits
        elif not equals and others is None:
            others = bits
        else:
            raise UsageError(f"--bits {text} gives {name or 'the others'} twice; leave one out")
    return BitChoice(DEFAULT_BITS if others is None else others, named)


def _whole(number: str, text: str | None) -> int:
    try:
        return int(number)
    except ValueError:
        raise UsageError(
            f"--bits {text!r} is no number of bits; give {MIN_BITS} to {MAX_BITS}, or"
            " TENSOR=BITS,TENSOR=BITS"
        ) from None
