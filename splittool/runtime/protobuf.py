"""Protobuf messages as they lie in a file: fields are found and copied, never decoded as a whole.

Weights are most of an ONNX file. To put a part of its graph into another file they need not be
decoded, held in memory and encoded again, as every object of a protobuf library is: the bytes of
each field are copied as they are, and with them whatever a newer version of ONNX has put there.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

Data = memoryview | bytes

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


class DamagedError(ValueError):
    """The bytes are not a message."""


class Field(NamedTuple):
    """A field of a message.

    Attributes:
        number: Its number in the message's definition.
        value: A number, or the bytes of a text, a message, or packed numbers.
        raw: The whole field, number and length included.
    """

    number: int
    value: int | Data
    raw: Data

    @property
    def bytes(self) -> Data:
        """The value of a field that holds bytes."""
        if isinstance(self.value, int):
            raise DamagedError(f"field {self.number} holds a number where bytes should be")
        return self.value

    @property
    def text(self) -> str:
        """The value of a field that holds text."""
        return str(self.bytes, "utf-8")

    @property
    def int(self) -> int:
        """The value of a field that holds a number, with its sign."""
        if not isinstance(self.value, int):
            raise DamagedError(f"field {self.number} holds bytes where a number should be")
        return self.value - (1 << 64) if self.value >> 63 else self.value


def fields(data: Data) -> Iterator[Field]:
    """The fields of a message, one after the other.

    Raises:
        DamagedError: The bytes are not a message.
    """
    place, end = 0, len(data)
    while place < end:
        start = place
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            number, place = _varint(data, place)
            yield Field(tag >> 3, number, data[start:place])
            continue
        size = _SIZES.get(kind)
        if kind == _BYTES:
            size, place = _varint(data, place)
        if size is None or size > end - place:
            raise DamagedError(f"a field at byte {start} does not fit")
        place += size
        yield Field(tag >> 3, data[place - size : place], data[start:place])


def field(number: int, value: int | str | Data) -> bytes:
    """A field as it lies in a file: a number, text, or the bytes of a message."""
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else bytes(value)
    return header(number, len(data)) + data


def header(number: int, length: int) -> bytes:
    """What stands before so many bytes of a message or text."""
    return varint(number << 3 | _BYTES) + varint(length)


def message(parts: Iterable[bytes]) -> bytes:
    """Fields as one message."""
    return b"".join(parts)


def varint(number: int) -> bytes:
    """A number, seven bits in each byte."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _varint(data: Data, place: int) -> tuple[int, int]:
    """The number at a place, and where it ends."""
    number = shift = 0
    while shift < 70:
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place
        shift += 7
    raise DamagedError("a number does not end")
