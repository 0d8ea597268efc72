"""Which precisions and codecs there are; without numpy, so that a command can refuse early."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

from splittool.errors import UsageError

MIN_BITS, MAX_BITS = 1, 16
DEFAULT_BITS = 16
CALIBRATED_BITS = (16, 8, 6, 4, 3, 2)  # that ranges are chosen for, where nothing is asked for
CODEC_NAMES = ("raw", "fast", "small")
DEFAULT_CODEC = "fast"

T = TypeVar("T", int, str)


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What an option says: of the tensors named, and of the others."""

    option: str
    others: T
    named: dict[str, T]

    def of(self, names: Sequence[str]) -> dict[str, T]:
        """What it says of each crossing tensor.

        Raises:
            UsageError: A name is of none of them.
        """
        for name in self.named:
            if name not in names:
                close = get_close_matches(name, names, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
                raise UsageError(
                    f"{self.option} names {name!r}, which does not cross the cut; {hint}"
                )
        return {name: self.named.get(name, self.others) for name in names}


def check_bits(bits: int) -> int:
    """Refuse precisions that make no sense.

    Raises:
        UsageError: Not from 1 to 16.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"--bits {bits} is out of range; give {MIN_BITS} to {MAX_BITS}")
    return bits


def parse_bits(text: str | None) -> Choice[int]:
    """Read `4`, `maxpool_2=4,encoder_1.relu_2=2`, or `8,maxpool_2=4`.

    Args:
        text: What was given; None is 16 bits, as is what names some tensors only for the others.

    Raises:
        UsageError: It is none of these, or bits are out of range.
    """

    def bits(number: str) -> int:
        try:
            return check_bits(int(number))
        except ValueError:
            raise UsageError(
                f"--bits {text!r} is not a number of bits; give {MIN_BITS} to {MAX_BITS}, or"
                " TENSOR=BITS,TENSOR=BITS"
            ) from None

    return _parse(text, "--bits", bits, DEFAULT_BITS)


def parse_codecs(text: str | None) -> Choice[str]:
    """Read `small`, or `maxpool_2=small,encoder_1.relu_2=raw`; what is not named is `fast`.

    Raises:
        UsageError: There is no such codec.
    """

    def codec(name: str) -> str:
        if name not in CODEC_NAMES:
            raise UsageError(
                f"--codec {text!r} is not a codec; give one of {', '.join(CODEC_NAMES)}, or"
                " TENSOR=CODEC,TENSOR=CODEC"
            )
        return name

    return _parse(text, "--codec", codec, DEFAULT_CODEC)


def _parse(text: str | None, option: str, read: Callable[[str], T], default: T) -> Choice[T]:
    others: T | None = None
    named: dict[str, T] = {}
    for part in [] if text is None else text.split(","):
        name, equals, value = part.strip().rpartition("=")
        found = read(value)
        if equals and name not in named:
            named[name] = found
        elif not equals and others is None:
            others = found
        else:
            raise UsageError(f"{option} {text} gives {name or 'the others'} twice; leave one out")
    return Choice(option, default if others is None else others, named)
