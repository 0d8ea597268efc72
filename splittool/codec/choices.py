"""The bits and codecs a user may choose; without numpy, so that a command can refuse early.

`parse_bits`, `parse_codecs`, `parse_bit_list` and `parse_codec_list` read the text of an option and
can be given to typer: `typer.Option(parser=parse_bits)`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

from splittool.errors import UsageError

MIN_BITS, MAX_BITS = 1, 16
DEFAULT_BITS = 16
CALIBRATED_BITS = (16, 8, 6, 4, 3, 2)  # calibrated unless others are asked for
CODEC_NAMES = ("raw", "fast", "small")
DEFAULT_CODEC = "fast"
LEARNED = "learned"  # for a latent that comes with a model

T = TypeVar("T", int, str)


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What an option gives to each crossing tensor.

    Attributes:
        option: The option, for messages.
        others: The value for every tensor that is not in `named`.
        named: Values by the name of the tensor.
    """

    option: str
    others: T
    named: dict[str, T]

    def of(self, names: Sequence[str]) -> dict[str, T]:
        """The value for each of these crossing tensors.

        Raises:
            UsageError: The option names a tensor that is not among them.
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
    """Return the bits of an element if splittool can send that many.

    Raises:
        UsageError: They are not from 1 to 16.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise UsageError(f"`bits` {bits} is out of range; give {MIN_BITS} to {MAX_BITS}")
    return bits


def parse_bits(text: str | None) -> Choice[int]:
    """Read the bits of an element: `4`, `maxpool_2=4,encoder_1.relu_2=2`, or `8,maxpool_2=4`.

    Args:
        text: The option's text; None gives 16 bits to every tensor, and so does a text that names
            only some tensors to the others.

    Raises:
        UsageError: The text cannot be read, or the bits are out of range.
    """
    hint = f"give {MIN_BITS} to {MAX_BITS}, or TENSOR=BITS,TENSOR=BITS"
    return _parse(text, "`bits`", lambda word: _bits(word, text, hint), DEFAULT_BITS)


def parse_codecs(text: str | None) -> Choice[str]:
    """Read codecs: `small`, or `maxpool_2=small,encoder_1.relu_2=raw`.

    Args:
        text: The option's text; tensors that it does not name get `fast`, and None names none.

    Raises:
        UsageError: There is no such codec.
    """
    known = (*CODEC_NAMES, LEARNED)
    return _parse(text, "`codec`", lambda word: _codec(word, text, known), DEFAULT_CODEC)


def parse_bit_list(text: str) -> tuple[int, ...]:
    """Read several numbers of bits to try one after the other: `8,4`.

    Raises:
        UsageError: The text is not such a list, or a number is out of range.
    """
    hint = "write a list of numbers, as in 8,4"
    return tuple(_bits(word, text, hint) for word in _words(text, hint, "`bits`"))


def parse_codec_list(text: str) -> tuple[str, ...]:
    """Read several codecs to try one after the other: `raw,fast`.

    Raises:
        UsageError: There is no such codec.
    """
    hint = f"give some of {', '.join(CODEC_NAMES)}"
    return tuple(_codec(word, text, CODEC_NAMES) for word in _words(text, hint, "`codec`"))


def _bits(word: str, text: str | None, hint: str) -> int:
    word = word.strip()
    if not (word.isascii() and word.isdigit()):
        raise UsageError(f"`bits` {text!r} is not a number of bits; {hint}")
    return check_bits(int(word))


def _codec(word: str, text: str | None, known: Sequence[str]) -> str:
    if word.strip() not in known:
        raise UsageError(
            f"`codec` {text!r} is not a codec; give one of {', '.join(known)}, or"
            " TENSOR=CODEC,TENSOR=CODEC"
        )
    return word.strip()


def _words(text: str, hint: str, option: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{option} {text!r} is empty; {hint}")
    return list(dict.fromkeys(words))


def _parse(text: str | None, option: str, read: Callable[[str], T], default: T) -> Choice[T]:
    """Read VALUE or NAME=VALUE, separated by commas; VALUE alone is for tensors not named."""
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
