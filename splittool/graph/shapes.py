"""Input shapes as users give them, and those that are still open."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import openvino as ov

from splittool.errors import InputError, UsageError


def parse_shapes(
    source: Path | str, names: Sequence[str], shapes: Sequence[str]
) -> dict[str, list[int]]:
    """Read the shapes given for some inputs.

    Args:
        source: Where the model comes from, for messages.
        names: The names of its inputs.
        shapes: "1x3x256x1600", or "NAME=1x3x256x1600" where there are several inputs.

    Raises:
        UsageError: A shape is not one, or of an unknown input.
    """
    wanted = {}
    for text in shapes:
        name, _, dimensions = text.rpartition("=")
        if not name and len(names) > 1:
            raise UsageError(
                f"`shape` {text}: {source} has several inputs;"
                f" give NAME={text}, where NAME is one of: {', '.join(names)}"
            )
        name = name or names[0]
        if name not in names:
            raise UsageError(
                f"`shape` {text}: {source} has no input {name!r}; it has: {', '.join(names)}"
            )
        shape = [_dimension(text) for text in dimensions.split("x")]
        if 0 in shape:
            raise UsageError(
                f"`shape` {text[:80]}: give whole numbers above 0, such as 1x3x256x1600"
            )
        wanted[name] = shape
    return wanted


def fixed_shapes(
    source: Path | str, inputs: Mapping[str, ov.PartialShape], shapes: Sequence[str]
) -> dict[str, list[int]]:
    """The shape of every input of a program, which takes no others than it says.

    Args:
        source: Where the program comes from, for messages.
        inputs: What it says of the shapes of its inputs.
        shapes: Those given, as `parse_shapes` takes them.

    Raises:
        InputError: An input is open, and no shape is given for it.
        UsageError: A shape cannot be read, is of an unknown input, or is another than the program
            was made for.
    """
    wanted = parse_shapes(source, list(inputs), shapes)
    for name, shape in wanted.items():
        if not inputs[name].compatible(ov.PartialShape(shape)):
            given = f"{name}={'x'.join(map(str, shape))}"
            raise UsageError(
                f"{source} cannot take `shape` {given}; it was made for {inputs[name]}"
            )
    for name, made_for in inputs.items():
        if name not in wanted:
            require_fixed(source, name, made_for)
    return {name: wanted.get(name) or list(each.to_shape()) for name, each in inputs.items()}


def shapes_or(if_open: str | None, shapes: Sequence[str]) -> Sequence[str]:
    """The shapes given, or where there are none one for an open input, which may be None."""
    return shapes or (() if if_open is None else (if_open,))


def require_fixed(source: Path | str, name: str, shape: ov.PartialShape) -> None:
    """Refuse an open shape.

    Raises:
        InputError: It is open.
    """
    if shape.is_dynamic:
        raise InputError(
            f"{source}: input {name!r} has the open shape {shape}; fix it with:"
            f" `shape` {name}={_example(shape)}"
        )


def _dimension(text: str) -> int:
    """A dimension of a shape; 0 for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _example(shape: ov.PartialShape) -> str:
    """A shape that fits an open one: batch 1, and 224 where anything goes."""
    if shape.rank.is_dynamic:
        return "1x3x224x224"
    dimensions = [
        str(d.get_length() if d.is_static else 1 if not place else max(d.get_min_length(), 224))
        for place, d in enumerate(shape)
    ]
    return "x".join(dimensions)
