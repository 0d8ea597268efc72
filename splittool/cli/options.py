"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from splittool.cli.output import Output
from splittool.errors import UsageError

_COMMON = {
    "json": ("--json", "Print the JSON report even on a terminal."),
    "quiet": ("--quiet", "-q", "Print no progress and no notes on stderr."),
    "verbose": ("--verbose", "-v", "Print more notes on stderr."),
    "debug": ("--debug", "Show the traceback of an error."),
}


class Command(TyperCommand):
    """A command with the options that all have; its function finds them in `ctx.obj`."""

    def __init__(self, *args: Any, params: list[Any] | None = None, **kwargs: Any) -> None:
        common = [_common_option(name) for name in _COMMON]
        super().__init__(*args, params=[*(params or []), *common], **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Turn the common options into an `Output` before the function sees the rest."""
        values = {name: ctx.params.pop(name) for name in _COMMON}
        ctx.obj = Output(values["json"], values["quiet"], values["verbose"])
        _check_numbers(ctx.params)
        return super().invoke(ctx)


def _check_numbers(options: dict[str, Any]) -> None:
    """Refuse what is a number to Python and to nobody else: nan, inf, and more than 63 bits.

    Raises:
        UsageError: An option has such a value.
    """
    for name, value in options.items():
        if isinstance(value, int | float) and not abs(value) < 2**63:  # so that nan is, too
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} {value} is out of range; give a smaller number")


def _common_option(name: str) -> TyperOption:
    *flags, text = _COMMON[name]
    return TyperOption(param_decls=[name, *flags], is_flag=True, default=False, help=text)


ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A .pt checkpoint, or an .xml, .onnx or .tflite model."),
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="SHAPE",
        help="Fix an open input: 1x3x256x1600, or NAME=1x3x256x1600; repeat for several.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace outputs that exist.")]
Fps = Annotated[
    list[float] | None,
    typer.Option("--fps", help="Frames per second; repeat for several.", metavar="FPS"),
]


def positive(values: list[float], option: str) -> list[float]:
    """Refuse numbers that are not above zero.

    Raises:
        UsageError: One is not.
    """
    for value in values:
        if not 0 < value < float("inf"):
            raise UsageError(f"{option} {value:g} is out of range; give a number above 0")
    return values
